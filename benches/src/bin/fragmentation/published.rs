//! The figures of the experiment's authors.

use std::collections::BTreeMap;
use std::path::Path;

use crate::trace::Table;

/// The mean over their ten seeds of what is allocated at 130% arrivals, in percent, by trace and policy.
#[derive(Debug)]
pub(crate) struct Published(BTreeMap<(String, String), f64>);

impl Published {
    pub(crate) fn read(folder: &Path) -> Result<Self, String> {
        let table = Table::read(folder, "fgd_expected_summary.csv")?;
        let mut means = BTreeMap::new();
        for row in table.rows() {
            if row.text("metric")? == "alloc" && row.text("arrived_pct")? == "130" {
                let key = (row.text("workload")?.to_owned(), row.text("policy")?.to_owned());
                means.insert(key, row.number("mean")?);
            }
        }
        Ok(Self(means))
    }

    pub(crate) fn mean(&self, trace: &str, policy: &str) -> Option<f64> {
        self.0.get(&(trace.to_owned(), policy.to_owned())).copied()
    }
}
