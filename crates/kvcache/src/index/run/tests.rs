//! A run's pages beside a list of them, and its layers.

use proptest::prelude::*;

use super::super::pages::{Extent, PAGE};
use super::{Run, Spare};

/// A run without blocks, for its pages alone.
fn empty(start: u32) -> Run {
    Run::begin(7, start, 0)
}

fn check(run: &Run, pages: &[u32]) {
    assert_eq!(run.pages() as usize, pages.len());
    for (at, &page) in pages.iter().enumerate() {
        let first = (run.start / PAGE + at as u32) * PAGE;
        for depth in [first.max(run.start), first + PAGE - 1] {
            assert_eq!(run.page(depth), page, "at depth {depth}, of {pages:?}");
        }
    }
    let end = (run.start / PAGE + pages.len() as u32) * PAGE;
    for from in [run.start, run.start + 11].into_iter().filter(|&from| from < end) {
        let places =
            pages.iter().zip((run.start / PAGE * PAGE..).step_by(PAGE as usize)).filter_map(|(&page, depth)| {
                let (first, last) = (from.max(depth), end.min(depth + PAGE));
                (first < last).then(|| (page, first - depth..last - depth))
            });
        assert!(run.pieces(from, end).eq(places), "pieces from {from} on, of {pages:?}");
    }
    let extents = core::iter::once(&run.first).chain(run.extents());
    let listed = extents.clone().flat_map(|extent| extent.page..extent.page + extent.pages);
    assert!(listed.eq(pages.iter().copied()), "{run:?} has {pages:?}");
    assert!(run.extents().iter().all(|extent| extent.pages > 0));
    // As few extents as can be.
    let ends = extents.clone().map(|extent| extent.page + extent.pages);
    assert!(ends.zip(run.extents()).all(|(end, next)| end != next.page), "{run:?}");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// So many pages that follow those before, after a gap.
    Push(u32, u32),
    Pop,
    /// Keeps so many.
    Cut(u32),
    /// Some layer begins or ends, to have something beside the pages.
    Layer(bool),
}

proptest! {
    #[test]
    fn a_run_is_a_list_of_pages(start in 0_u32..40, steps in prop::collection::vec(
        prop_oneof![
            5 => (0_u32..3, 1_u32..5).prop_map(|(gap, pages)| Step::Push(gap, pages)),
            3 => Just(Step::Pop),
            1 => (0_u32..12).prop_map(Step::Cut),
            1 => any::<bool>().prop_map(Step::Layer),
        ],
        0..60,
    )) {
        let mut run = empty(start);
        let mut pages: Vec<u32> = Vec::new();
        for step in steps {
            match step {
                Step::Push(gap, count) => {
                    let page = pages.last().map_or(5, |&page| page + 1) + gap;
                    run.push_extent(Extent { page, pages: count });
                    pages.extend(page..page + count);
                }
                Step::Pop => {
                    if let Some(page) = pages.pop() {
                        assert_eq!(run.pop_pages(1), Extent { page, pages: 1 });
                    }
                }
                Step::Cut(keep) => {
                    let keep = keep.min(pages.len().saturating_sub(1) as u32);
                    let at = (start / PAGE + keep) * PAGE;
                    let mut head = empty(start);
                    if !pages.is_empty() {
                        run.move_pages(keep, &mut head);
                        run.start = if keep > 0 { at } else { start };
                        check(&head, &pages[..keep as usize]);
                        check(&run, &pages[keep as usize..]);
                        // And they are one again, or share a page and are.
                        let shares = keep > 0 && keep % 2 == 0;
                        if shares {
                            head.push_extent(Extent { page: pages[keep as usize], pages: 1 });
                        }
                        let before = run.put_before(head, shares);
                        assert!(before.extents().is_empty() && !before.has_layers());
                        run.start = start;
                    }
                }
                Step::Layer(begins) => {
                    if begins {
                        run.coverage_mut(4).cover(1, 0, 1, 9);
                    } else {
                        run.coverage_mut(4).forget(1);
                        run.tidy();
                    }
                }
            }
            check(&run, &pages);
        }
        run.coverage_mut(4).forget(1);
        run.tidy();
        while run.pages() > 0 {
            let last = run.pop_pages(3);
            let ends = pages.split_off(pages.len() - last.pages as usize);
            prop_assert!((last.page..last.page + last.pages).eq(ends), "{:?}", last);
        }
        let (mut spare, heap) = (Spare::new(), run.heap());
        let empty = spare.bytes();
        spare.take_back(&mut run);
        prop_assert_eq!(run.heap(), 0);
        prop_assert!(spare.bytes() <= empty + heap);
        spare.lend(&mut run);
        prop_assert_eq!(spare.bytes(), empty);
    }
}

#[test]
fn layers_are_apart() {
    let mut run = Run { start: 10, len: 6, ..empty(10) };
    run.main.cover(1, 0, 6, 6);
    run.coverage_mut(3).cover(2, 4, 5, 6);
    assert!(run.has_layers());
    assert!(run.held_somewhere(1, 10) && run.held_somewhere(2, 14) && !run.held_somewhere(2, 10));
    assert_eq!((run.held_len(), run.end()), (6, 16));
    assert!(run.coverage(9).is_none());
    run.main.uncover(1, 0, 6, 6);
    assert_eq!(run.held_len(), 5);
    let numbers: Vec<u16> = run.coverages().map(|(layer, _)| layer).collect();
    assert_eq!(numbers, [0, 3]);
    run.coverage_mut(3).forget(2);
    run.tidy();
    Spare::new().take_back(&mut run);
    assert!(!run.has_layers() && run.heap() == 0);
    assert_eq!(run.held_len(), 0);
}

#[test]
fn a_cut_keeps_each_holder_on_its_side() {
    let mut run = Run { len: 10, ..empty(0) };
    run.main.cover(1, 0, 10, 10);
    run.main.cover(2, 2, 4, 10);
    run.coverage_mut(5).cover(3, 0, 6, 10);
    run.coverage_mut(6).cover(4, 7, 9, 10);
    let (main, layers) = run.split_coverage(6);
    assert!(main.full.is_only(1));
    assert_eq!((main.held(2, 0, 6), main.held(2, 2, 4)), (2, 2));
    let numbers: Vec<u16> = layers.iter().map(|(layer, _)| *layer).collect();
    assert_eq!(numbers, [5], "nobody holds a block before in the other one");
    assert!(layers[0].1.full.is_only(3), "it holds all that is before");
    assert!(run.main.full.is_only(1) && run.main.parts().is_empty());
    assert!(run.coverage(5).is_none(), "it holds nothing behind");
    assert_eq!(run.coverage(6).map(|coverage| coverage.held(4, 1, 3)), Some(2));
    let mut head = empty(0);
    head.set_layers(layers);
    assert!(head.has_layers());
    head.set_layers(Vec::new());
    Spare::new().take_back(&mut head);
    assert_eq!(head.heap(), 0);
}

#[test]
fn a_run_is_one_cache_line() {
    assert_eq!(size_of::<Run>(), 64);
}

#[test]
fn runs_that_the_same_ranks_hold_are_held_alike() {
    let (mut one, mut other) = (Run { len: 3, ..empty(0) }, Run { len: 5, ..empty(3) });
    one.main.cover(1, 0, 3, 3);
    assert!(!one.is_held_alike(&other));
    other.main.cover(1, 0, 5, 5);
    assert!(one.is_held_alike(&other));
    other.main.cover(2, 0, 1, 5);
    assert!(!one.is_held_alike(&other), "one holds a part");
    other.main.uncover(2, 0, 1, 5);
    other.coverage_mut(1).cover(1, 0, 5, 5);
    assert!(!one.is_held_alike(&other), "one has another layer");
}
