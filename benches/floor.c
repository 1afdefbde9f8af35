/* The least work that can produce an index: what any program that scans must ask of the kernel.
 *
 * In:  search directories, as arguments.
 * Out: one line of counts, so that the benchmark can see that the same work was done.
 *
 * Per search directory it lists the names; per metadata directory (*.dist-info, *.egg-info, any
 * case) it does one stat, reads entry_points.txt whole, and the first 4 kB of METADATA, or of
 * PKG-INFO where that is absent or empty; a plain file named *.egg-info is read itself. Nothing is
 * parsed, sorted, kept or written. It never changes anything.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADER_BYTES = 4096 };

static char buffer[1 << 20];
static unsigned long metadata_directories, entry_point_files, bytes_read;

/* Bytes read, -1 where the file cannot be opened. A short read of a regular file is its end. */
static ssize_t read_file(int directory, const char *path, size_t at_most, int to_the_end)
{
    int file = openat(directory, path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return -1;
    ssize_t total = 0, n;
    do {
        n = read(file, buffer, at_most);
        if (n > 0)
            total += n;
    } while (to_the_end && n == (ssize_t)at_most);
    close(file);
    bytes_read += (unsigned long)total;
    return total;
}

static int ends_with(const char *name, size_t length, const char *suffix)
{
    size_t suffix_length = strlen(suffix);
    return length >= suffix_length && strcasecmp(name + length - suffix_length, suffix) == 0;
}

static void read_metadata(int directory, const char *name, size_t length)
{
    char path[NAME_MAX + sizeof "/entry_points.txt"];
    struct stat status;

    if (fstatat(directory, name, &status, 0) != 0)
        return;
    metadata_directories++;
    if (!S_ISDIR(status.st_mode)) {
        read_file(directory, name, HEADER_BYTES, 0);
        return;
    }
    memcpy(path, name, length);
    strcpy(path + length, "/entry_points.txt");
    if (read_file(directory, path, sizeof buffer, 1) >= 0)
        entry_point_files++;
    strcpy(path + length, "/METADATA");
    if (read_file(directory, path, HEADER_BYTES, 0) > 0)
        return;
    strcpy(path + length, "/PKG-INFO");
    read_file(directory, path, HEADER_BYTES, 0);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *listing = opendir(argv[i]);
        if (!listing) {
            perror(argv[i]);
            return 1;
        }
        for (struct dirent *entry; (entry = readdir(listing));) {
            size_t length = strlen(entry->d_name);
            if (ends_with(entry->d_name, length, ".dist-info")
                || ends_with(entry->d_name, length, ".egg-info"))
                read_metadata(dirfd(listing), entry->d_name, length);
        }
        closedir(listing);
    }
    printf("{\"distributions\": %lu, \"entry_point_files\": %lu, \"bytes_read\": %lu}\n",
           metadata_directories, entry_point_files, bytes_read);
    return 0;
}
