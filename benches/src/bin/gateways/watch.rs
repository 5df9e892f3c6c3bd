//! What a tree of processes uses: processor time of its threads, and memory.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// A process and all that it started.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: u32,
}

/// Memory in kilobytes of 1,024 bytes.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Memory {
    pub(crate) resident: u64,
    pub(crate) peak: u64,
}

impl Tree {
    pub(crate) fn of(root: u32) -> Self {
        Self { root }
    }

    /// Nanoseconds that its threads have been on a processor, by the scheduler's own count.
    pub(crate) fn on_cpu(&self) -> u64 {
        self.on_cpu_of("")
    }

    /// The same of the threads whose names begin like this.
    pub(crate) fn on_cpu_of(&self, name: &str) -> u64 {
        let mut sum = 0;
        self.each(&mut |folder| {
            let tasks = fs::read_dir(folder.join("task")).into_iter().flatten().flatten();
            let read = |path: &Path| fs::read_to_string(path).ok();
            let is_named =
                |path: &Path| name.is_empty() || read(&path.join("comm")).is_some_and(|comm| comm.starts_with(name));
            let first = |text: String| text.split(' ').next()?.parse::<u64>().ok();
            sum += tasks
                .map(|task| task.path())
                .filter(|path| is_named(path))
                .filter_map(|path| read(&path.join("schedstat")).and_then(first))
                .sum::<u64>();
        });
        sum
    }

    /// What it holds now, and the most that each process of it ever held.
    pub(crate) fn memory(&self) -> Memory {
        let mut memory = Memory::default();
        self.each(&mut |folder| {
            let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
            let value = |name| {
                let line = status.lines().find_map(|line| line.strip_prefix(name))?;
                line.split_whitespace().next()?.parse::<u64>().ok()
            };
            memory.resident += value("VmRSS:").unwrap_or_default();
            memory.peak += value("VmHWM:").unwrap_or_default();
        });
        memory
    }

    fn each(&self, visit: &mut impl FnMut(&Path)) {
        let mut open = vec![self.root];
        while let Some(process) = open.pop() {
            let folder = Path::new("/proc").join(process.to_string());
            visit(&folder);
            for task in fs::read_dir(folder.join("task")).into_iter().flatten().flatten() {
                let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
                open.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
            }
        }
    }
}

/// Seconds that all processors together were busy since the machine started, by the kernel's ticks of 10 ms.
pub(crate) fn busy() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .skip(1)
        .filter_map(|field| field.parse().ok())
        .collect();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy: u64 =
        fields.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4) && *at < 8).map(|(_, value)| value).sum();
    busy as f64 / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_uses_something() {
        let tree = Tree::of(std::process::id());
        assert!(tree.on_cpu() > 0);
        assert_eq!(tree.on_cpu_of("no thread is called like this"), 0);
        let memory = tree.memory();
        assert!(memory.peak >= memory.resident && memory.resident > 0);
    }
}
