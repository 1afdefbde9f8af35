//! The order of distributions, and which of several twins is chosen.
//!
//! The input is the names and drafts in listing order. The output is their new order. `Lookup` of
//! importlib_metadata groups what it lists by the normalized name, and returns one name after the
//! other, `.egg` metadata last. So does this. Among twins, directories with one shadowing key,
//! decision 2 chooses ([`precedence`]). The entry points of the chosen one are where CPython would
//! have put those of the first twin like it (with or without core metadata).

use std::collections::HashMap;

use crate::index::DistributionDraft;
use crate::index::format::distribution_flag;
use crate::metadata::directory_name::{Kind, MetadataName};
use crate::metadata::precedence::{self, Candidate};

/// The place of each draft.
pub(super) struct Arrangement {
    /// The numbers of the drafts in their new order.
    order: Vec<usize>,
    /// For each draft, by its old number: whether another one is chosen instead.
    shadowed: Vec<bool>,
    /// For each draft, by its old number: the place of its entry points.
    place: Vec<usize>,
}

/// What is known about the distributions with one key.
struct Twins {
    chosen: usize,
    /// The positions of the first one without core metadata and of the first one with it.
    first: [Option<usize>; 2],
}

pub(super) fn arrangement(names: &[MetadataName<'_>], drafts: &[DistributionDraft]) -> Arrangement {
    let order = grouped_by_lookup_key(names);
    let candidate = |number: usize| {
        let draft = drafts.get(number)?;
        Some(Candidate {
            has_metadata: draft.flags & distribution_flag::HAS_METADATA != 0,
            version: &draft.version,
            kind: names.get(number)?.kind,
            file_name: &draft.file_name,
        })
    };
    let class = |number| candidate(number).map_or(0, |twin| usize::from(twin.has_metadata));
    let mut by_key: HashMap<&[u8], Twins> = HashMap::with_capacity(drafts.len());
    for (position, &number) in order.iter().enumerate() {
        let Some(draft) = drafts.get(number) else {
            continue;
        };
        let twins = by_key.entry(&draft.key).or_insert(Twins {
            chosen: number,
            first: [None; 2],
        });
        if let (Some(best), Some(twin)) = (candidate(twins.chosen), candidate(number)) {
            if precedence::compare(&best, &twin).is_lt() {
                twins.chosen = number;
            }
        }
        if let Some(first) = twins.first.get_mut(class(number)) {
            first.get_or_insert(position);
        }
    }
    let mut shadowed = vec![false; drafts.len()];
    let mut place = vec![0; drafts.len()];
    let slots = shadowed.iter_mut().zip(&mut place);
    for (number, (draft, (shadowed, place))) in drafts.iter().zip(slots).enumerate() {
        let Some(twins) = by_key.get(draft.key.as_slice()) else {
            continue;
        };
        *shadowed = twins.chosen != number;
        *place = twins
            .first
            .get(class(number))
            .copied()
            .flatten()
            .unwrap_or_default();
    }
    Arrangement {
        order,
        shadowed,
        place,
    }
}

/// `Lookup.search(None)`: by the first appearance of the name, `.egg` metadata after all others.
fn grouped_by_lookup_key(names: &[MetadataName<'_>]) -> Vec<usize> {
    let mut ranks: HashMap<(bool, Vec<u8>), usize> = HashMap::with_capacity(names.len());
    let mut ranked = Vec::with_capacity(names.len());
    for (number, name) in names.iter().enumerate() {
        let in_egg = name.kind == Kind::EggInfoInEgg;
        let next = ranks.len();
        let rank = *ranks.entry((in_egg, name.lookup_key())).or_insert(next);
        ranked.push((in_egg, rank, number));
    }
    ranked.sort_unstable();
    ranked.into_iter().map(|(_, _, number)| number).collect()
}

/// Sorts the drafts in place: there may be too many to have them twice in memory.
pub(super) fn apply(arrangement: &Arrangement, drafts: &mut [DistributionDraft]) {
    let told = arrangement.shadowed.iter().zip(&arrangement.place);
    for (draft, (shadowed, place)) in drafts.iter_mut().zip(told) {
        if *shadowed {
            draft.flags |= distribution_flag::SHADOWED;
        }
        draft.place = u32::try_from(*place).unwrap_or(u32::MAX);
    }
    let mut goes_to: Vec<usize> = (0..drafts.len()).collect();
    for (place, &number) in arrangement.order.iter().enumerate() {
        if let Some(slot) = goes_to.get_mut(number) {
            *slot = place;
        }
    }
    for place in 0..drafts.len() {
        // Swaps the draft here to its place, until the right one is here.
        while let Some(&there) = goes_to.get(place) {
            if goes_to.get(there).is_none_or(|&next| next == there) {
                break;
            }
            drafts.swap(place, there);
            goes_to.swap(place, there);
        }
    }
}
