//! What in the input is most likely a slip, though it has a meaning.

use phalanx_gang::Gang;
use phalanx_topology::{Inventory, Locality};

use crate::cli::output;

/// Tells kinds and resources that are asked and that no node has, and islands and NUMA zones where no node says which they
/// are. The answer stands all the same.
pub(super) fn tell<'a>(inventory: &Inventory, gangs: impl Iterator<Item = (&'a str, &'a Gang)>) {
    let nodes = || inventory.topology().nodes();
    let absent = |what: &str, all: Vec<(&str, bool)>| {
        let there: Vec<&str> = all.iter().filter(|(_, has)| *has).map(|(name, _)| *name).collect();
        let there =
            if there.is_empty() { "there is none".to_owned() } else { format!("there is {}", there.join(", ")) };
        for (name, _) in all.iter().filter(|(_, has)| !has) {
            output::complain(&format!("warning: no node has the {what} {name:?}; {there}"));
        }
    };
    let kinds = inventory.kinds().map(|kind| {
        let has = nodes().any(|node| inventory.kind_id(node) == Some(kind));
        (inventory.kind_name(kind), has)
    });
    absent("kind", kinds.collect());
    let resources = inventory.resources().map(|resource| {
        let has = nodes().any(|node| inventory.capacity(node, resource) > 0);
        (inventory.resource_name(resource), has)
    });
    absent("resource", resources.collect());

    let (islands, zones) =
        (nodes().any(|node| !inventory.islands(node).is_empty()), nodes().any(|node| !inventory.numa(node).is_empty()));
    for (name, gang) in gangs {
        let asks =
            |locality| gang.groups().filter_map(|group| gang.demand(group)).any(|demand| demand.locality() == locality);
        for (locality, there, what) in [(Locality::Island, islands, "islands"), (Locality::Numa, zones, "NUMA zones")] {
            if asks(locality) && !there {
                output::complain(&format!(
                    "warning: gang {name}: no node says which {what} it has, so each counts as one"
                ));
            }
        }
    }
}
