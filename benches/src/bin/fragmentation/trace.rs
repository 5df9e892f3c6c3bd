//! The hosts and pods of a trace.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use phalanx_topology::{Demand, Inventory, KindSet, ResourceId, ShapeMix, Topology};

/// The pods that the mix covers, by how many they are.
const COVERED_PERCENT: u64 = 95;

/// The hosts, empty.
#[derive(Clone, Debug)]
pub(crate) struct Cluster {
    pub(crate) inventory: Inventory,
    pub(crate) cpu: ResourceId,
    pub(crate) memory: ResourceId,
    /// What all devices have together.
    pub(crate) milli: u64,
}

/// A cluster and the pods that come to it.
#[derive(Debug)]
pub(crate) struct Trace {
    pub(crate) cluster: Cluster,
    /// By name.
    pub(crate) pods: Vec<Demand>,
    pub(crate) mix: ShapeMix,
}

impl Cluster {
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        Self::of(&Table::read(folder, "openb_node_list_gpu_node.csv")?)
    }

    fn of(table: &Table) -> Result<Self, String> {
        let mut builder = Topology::builder(["cluster"]);
        for row in table.rows() {
            builder = builder.node(row.text("sn")?, &[("cluster", "openb")]);
        }
        let topology = builder.build().map_err(|error| format!("{}: {error}", table.name))?;
        let mut inventory = Inventory::new(Arc::new(topology));
        let [cpu, memory] = ["cpu", "memory"].map(|name| inventory.resource(name));
        let mut milli = 0;
        for row in table.rows() {
            let node = inventory.topology().node(row.text("sn")?).expect("it was just built");
            let devices: u32 = row.number("gpu")?;
            milli += u64::from(devices) * 1000;
            let (cores, mib) = (row.number("cpu_milli")?, row.number("memory_mib")?);
            inventory
                .set_devices(node, devices, row.text("model")?)
                .and_then(|()| inventory.set_capacity(node, cpu, cores))
                .and_then(|()| inventory.set_capacity(node, memory, mib))
                .map_err(|error| format!("{}: {error}", table.name))?;
        }
        Ok(Self { inventory, cpu, memory, milli })
    }

    /// How many milli of devices a pod asks.
    pub(crate) fn asked(demand: &Demand) -> u64 {
        u64::from(demand.milli()) + 1000 * u64::from(demand.device_count())
    }
}

impl Trace {
    pub(crate) fn read(folder: &Path, name: &str, cluster: Cluster) -> Result<Self, String> {
        Self::of(&Table::read(folder, &format!("openb_pod_list_{name}.csv"))?, cluster)
    }

    fn of(table: &Table, mut cluster: Cluster) -> Result<Self, String> {
        let (mut pods, mut counts) = (Vec::new(), BTreeMap::<Demand, u64>::new());
        for row in table.rows() {
            let devices: u32 = row.number("num_gpu")?;
            let demand = match devices {
                1 => Demand::share(row.number("gpu_milli")?).map_err(|error| format!("{}: {error}", table.name))?,
                _ => Demand::devices(devices),
            };
            let mut kinds = KindSet::default();
            for kind in row.text("gpu_spec").unwrap_or_default().split('|').filter(|kind| !kind.is_empty()) {
                let kind = cluster.inventory.intern_kind(kind).map_err(|error| format!("{}: {error}", table.name))?;
                kinds = kinds.with(kind);
            }
            // A kind is one of devices here.
            let demand = if devices > 0 { demand.of_kinds(kinds) } else { demand };
            // Memory is no part of a shape.
            let shape = demand.with(cluster.cpu, row.number("cpu_milli")?);
            *counts.entry(shape.clone()).or_default() += 1;
            pods.push((row.text("name")?.to_owned(), shape.with(cluster.memory, row.number("memory_mib")?)));
        }
        pods.sort();
        let mix = mix(counts, pods.len() as u64).map_err(|error| format!("{}: {error}", table.name))?;
        Ok(Self { cluster, pods: pods.into_iter().map(|(_, demand)| demand).collect(), mix })
    }
}

/// The most frequent shapes.
fn mix(counts: BTreeMap<Demand, u64>, pods: u64) -> Result<ShapeMix, phalanx_topology::MixError> {
    let mut shapes: Vec<_> = counts.into_iter().collect();
    shapes.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    let mut covered = 0;
    ShapeMix::new(shapes.into_iter().take_while(|&(_, count)| {
        let more = covered * 100 < pods * COVERED_PERCENT;
        covered += count;
        more
    }))
}

/// A file of comma-separated values, none of them quoted.
pub(crate) struct Table {
    name: String,
    text: String,
}

/// One line, with the names of its columns.
pub(crate) struct Row<'a> {
    table: &'a Table,
    line: &'a str,
}

impl Table {
    pub(crate) fn read(folder: &Path, name: &str) -> Result<Self, String> {
        let path = folder.join(name);
        let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self { name: name.to_owned(), text })
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        self.text.lines().skip(1).map(|line| Row { table: self, line })
    }
}

impl<'a> Row<'a> {
    pub(crate) fn text(&self, column: &str) -> Result<&'a str, String> {
        let head = self.table.text.lines().next().unwrap_or_default();
        let at = head.split(',').position(|name| name == column);
        let field = at.and_then(|at| self.line.split(',').nth(at));
        field.ok_or_else(|| format!("{}: no {column} in {:?}", self.table.name, self.line))
    }

    pub(crate) fn number<T: std::str::FromStr>(&self, column: &str) -> Result<T, String> {
        let text = self.text(column)?;
        text.parse().map_err(|_| format!("{}: {column} is {text:?}, expected a number", self.table.name))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const HOSTS: &str = "sn,cpu_milli,memory_mib,gpu,model\nb,8000,100,2,T4\na,16000,100,4,G2\n";
    const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n\
                        p2,1000,5,1,300,\np1,1000,5,1,1000,T4|L4\np3,1000,7,1,300,\np4,9000,1,0,0,T4\n";

    fn table(text: &str) -> Table {
        Table { name: "fixture.csv".to_owned(), text: text.to_owned() }
    }

    pub(crate) fn trace() -> Trace {
        let cluster = Cluster::of(&table(HOSTS)).expect("the hosts are sound");
        Trace::of(&table(PODS), cluster).expect("the pods are sound")
    }

    #[test]
    fn hosts_and_pods_are_in_the_order_of_their_names() {
        let trace = trace();
        let inventory = &trace.cluster.inventory;
        let names: Vec<_> = inventory.topology().nodes().map(|node| inventory.topology().node_name(node)).collect();
        assert_eq!((names, trace.cluster.milli), (vec!["a", "b"], 6_000));
        let asked: Vec<_> = trace.pods.iter().map(|pod| (Cluster::asked(pod), pod.kinds().len())).collect();
        assert_eq!(asked, [(1000, 2), (300, 0), (300, 0), (0, 0)]);
    }

    #[test]
    fn shapes_leave_memory_out_and_the_rarest_may_go() {
        let trace = trace();
        let weights: Vec<_> = trace.mix.shapes().map(|(shape, weight)| (shape.resources().len(), weight)).collect();
        assert_eq!(weights, [(1, 1), (1, 2), (1, 1)]);
        let counts = |most: u64| BTreeMap::from([(Demand::devices(1), most), (Demand::devices(2), 5)]);
        assert_eq!(mix(counts(95), 100).map(|mix| mix.total_weight()), Ok(95));
        assert_eq!(mix(counts(94), 99).map(|mix| mix.total_weight()), Ok(99));
    }

    #[test]
    fn a_broken_line_is_named() {
        let broken = Cluster::of(&table("sn,cpu_milli,memory_mib,gpu,model\na,1,1,many,T4\n"));
        assert_eq!(broken.unwrap_err(), "fixture.csv: gpu is \"many\", expected a number");
        let short = Cluster::of(&table("sn,cpu_milli,memory_mib,gpu,model\na,1,1\n"));
        assert_eq!(short.unwrap_err(), "fixture.csv: no gpu in \"a,1,1\"");
    }
}
