/* The least work that can renew an index of a search directory in which hardly anything has changed.
 *
 * In:  `list`, `stat` (list and stat each), `list-copy` or `stat-copy` (the same, then a copy of the old
 *      index); the search directory; for the copies, the old index and where the new one goes.
 * Out: a line of counts.
 *
 * The copy is read whole and written whole, to a new file that is renamed into place, and not synced.
 * Nothing is compared, parsed or checked.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static int ends_with(const char *name, size_t length, const char *suffix)
{
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && strcasecmp(name + length - suffix_length, suffix) == 0;
}

static int copy(const char *from, const char *to)
{
    struct stat status;
    char temporary[4096];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0 || fstat(in, &status) != 0)
        return 1;
    char *bytes = malloc((size_t)status.st_size);
    snprintf(temporary, sizeof temporary, "%s.new", to);
    int out = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return !bytes || out < 0 || read(in, bytes, (size_t)status.st_size) != status.st_size
        || write(out, bytes, (size_t)status.st_size) != status.st_size || rename(temporary, to) != 0;
}

int main(int argc, char **argv)
{
    unsigned long found = 0, looked_at = 0;
    struct stat status;
    if (argc < 3)
        return 2;
    int looks = strncmp(argv[1], "stat", 4) == 0;
    DIR *listing = opendir(argv[2]);
    if (!listing) {
        perror(argv[2]);
        return 1;
    }
    for (struct dirent *entry; (entry = readdir(listing));) {
        size_t length = strlen(entry->d_name);
        if (!ends_with(entry->d_name, length, ".dist-info")
            && !ends_with(entry->d_name, length, ".egg-info"))
            continue;
        found++;
        if (looks && fstatat(dirfd(listing), entry->d_name, &status, 0) == 0)
            looked_at++;
    }
    closedir(listing);
    if (strstr(argv[1], "-copy") && (argc < 5 || copy(argv[3], argv[4]) != 0)) {
        perror("copy");
        return 1;
    }
    printf("{\"distributions\": %lu, \"looked_at\": %lu}\n", found, looked_at);
    return 0;
}
