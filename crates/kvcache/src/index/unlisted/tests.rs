use super::super::pages::PAGE;
use super::*;
use crate::BlockHash;

const TAGGER: Tagger = Tagger(0x9e37_79b9_7f4a_7c15);

/// Pages whose blocks are named by their numbers, but for some.
fn pages(count: u32, odd: &[(u32, u64)]) -> Pages {
    let mut pages = Pages::new();
    let extent = pages.take(count, 0, 0);
    for page in extent.page..extent.page + extent.pages {
        let name = |place| {
            let block = page * PAGE + place;
            BlockHash(odd.iter().find(|(of, _)| *of == block).map_or(u64::from(block), |(_, name)| *name))
        };
        let names: Vec<_> = (0..PAGE).map(name).collect();
        pages.write(page, 0, &names, &names);
    }
    pages
}

fn sorted(of: &Unlisted) -> Vec<(u32, u32)> {
    let mut all = vec![(7, 7)];
    of.sort_into(&mut all);
    all
}

fn all(of: &Unlisted, pages: &Pages, name: u64) -> Vec<u32> {
    let mut blocks = Vec::new();
    assert_eq!(
        of.find(pages, name, TAGGER, |block| {
            blocks.push(block);
            false
        }),
        None
    );
    blocks
}

#[test]
fn blocks_are_found_by_their_tags_wherever_they_lie() {
    let pages = pages(100, &[(500, 102)]);
    let mut unlisted = Unlisted::default();
    unlisted.push(100, 3);
    unlisted.tag(&pages, TAGGER);
    unlisted.push(103, 1);
    unlisted.push(7, 70);
    unlisted.push(500, 1);
    assert_eq!(unlisted.len(), 75);
    assert_eq!(unlisted.stretches.len(), 3, "neighbours are one stretch");
    for block in [100, 102, 103, 76, 500] {
        let name = pages.name(block);
        assert!(all(&unlisted, &pages, name).contains(&block), "it is found by its name without a tag");
    }
    assert_eq!(unlisted.tags.len(), 3);
    unlisted.tag(&pages, TAGGER);
    assert_eq!(all(&unlisted, &pages, 103), [103]);
    assert_eq!(all(&unlisted, &pages, 76), [76]);
    assert_eq!(all(&unlisted, &pages, 102), [102, 500]);
    assert_eq!(all(&unlisted, &pages, 5), []);
    assert_eq!(unlisted.find(&pages, 102, TAGGER, |block| block > 200), Some(500));
    assert_eq!(sorted(&unlisted), [(7, 70), (100, 4), (500, 1)]);
}

#[test]
fn the_last_are_taken_first() {
    let pages = pages(100, &[]);
    let mut unlisted = Unlisted::default();
    unlisted.push(100, 3);
    unlisted.push(50, 2);
    unlisted.tag(&pages, TAGGER);
    assert_eq!(unlisted.pop(1), Some((51, 1)));
    assert_eq!(unlisted.pop(9), Some((50, 1)));
    assert_eq!(all(&unlisted, &pages, 51), []);
    assert_eq!(unlisted.pop(2), Some((101, 2)));
    unlisted.push(101, 1);
    unlisted.tag(&pages, TAGGER);
    assert_eq!(all(&unlisted, &pages, 101), [101]);
    assert_eq!(sorted(&unlisted), [(100, 2)]);
    assert_eq!(unlisted.pop(2), Some((100, 2)));
    assert_eq!(unlisted.pop(2), None);
    assert_eq!(unlisted.len(), 0);
    unlisted.push(100, 3);
    unlisted.tag(&pages, TAGGER);
    unlisted.clear();
    assert_eq!((unlisted.len(), unlisted.fresh(), all(&unlisted, &pages, 100)), (0, 0, vec![]));
}
