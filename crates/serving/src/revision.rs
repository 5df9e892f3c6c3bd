//! Revisions: what the pods of a group are made from, at one time.

use crate::{Body, Role};

/// A snapshot of the roles, as a ControllerRevision holds it.
///
/// Its name is what the label [`REVISION`](crate::REVISION) of its pods says; the object is called `<serving>-<name>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its name.
    pub name: String,
    /// Which one it is in order of time: `revision` of the ControllerRevision.
    pub number: i64,
    /// Its roles, in order: name and what a replica is made of.
    pub roles: Vec<(String, Body)>,
}

impl Revision {
    /// The snapshot of a spec's roles, under the name that they hash to.
    ///
    /// The name is the FNV-1a hash, 32 bits in eight hexadecimal digits, of this text: for each role in order the lines
    /// `role NAME`, `workers N`, `entry HASH` and `worker HASH` (`worker -` without a template), where a template's hash is
    /// in sixteen hexadecimal digits. Replicas and limits of an update are not in it, so a change of those rolls nothing.
    ///
    /// ```
    /// use phalanx_serving::{Revision, Role, TemplateRef};
    ///
    /// let role = Role::new("decode", TemplateRef::new("entry", 7));
    /// let revision = Revision::new(&[role.clone()], 1);
    /// assert_eq!(Revision::new(&[role.clone().replicas(5)], 2).name, revision.name);
    /// assert_ne!(Revision::new(&[role.workers(1, TemplateRef::new("worker", 8))], 2).name, revision.name);
    /// ```
    #[must_use]
    pub fn new(roles: &[Role], number: i64) -> Self {
        let roles: Vec<_> = roles.iter().map(|role| (role.name.clone(), role.body.clone())).collect();
        Self { name: fnv(&text(&roles)), number, roles }
    }

    /// The same for roles whose hash is taken by others: the line `again N` is added until it is not.
    pub(crate) fn among(roles: &[Role], others: &[Self], number: i64) -> Self {
        let mut new = Self::new(roles, number);
        let text = text(&new.roles);
        for again in 1u32.. {
            if others.iter().all(|other| other.name != new.name) {
                break;
            }
            new.name = fnv(&format!("{text}again {again}\n"));
        }
        new
    }

    /// What a replica of a role is made of.
    #[must_use]
    pub fn body(&self, role: &str) -> Option<&Body> {
        self.roles.iter().find(|(name, _)| name == role).map(|(_, body)| body)
    }

    /// The name of its object.
    #[must_use]
    pub fn object_name(&self, serving: &str) -> String {
        format!("{serving}-{}", self.name)
    }

    pub(crate) fn is_of(&self, roles: &[Role]) -> bool {
        let equal = |((name, body), role): (&(String, Body), &Role)| *name == role.name && *body == role.body;
        self.roles.len() == roles.len() && self.roles.iter().zip(roles).all(equal)
    }
}

/// The hash of one role, which its pods have in the label [`ROLE_TEMPLATE_HASH`](crate::ROLE_TEMPLATE_HASH): as in
/// [`Revision::new`], of this role's lines.
#[must_use]
pub fn role_template_hash(name: &str, body: &Body) -> String {
    fnv(&lines(name, body))
}

fn text(roles: &[(String, Body)]) -> String {
    roles.iter().map(|(name, body)| lines(name, body)).collect()
}

fn lines(name: &str, body: &Body) -> String {
    let Body { entry, workers, worker } = body;
    let worker = worker.as_ref().map_or_else(|| "-".to_owned(), |worker| format!("{:016x}", worker.hash));
    format!("role {name}\nworkers {workers}\nentry {:016x}\nworker {worker}\n", entry.hash)
}

fn fnv(text: &str) -> String {
    let hash = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{hash:08x}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TemplateRef;

    #[test]
    fn the_hash_is_fnv_1a() {
        // Vectors of the algorithm's authors.
        assert_eq!((fnv(""), fnv("a"), fnv("foobar")), ("811c9dc5".into(), "e40c292c".into(), "bf9cf968".into()));
    }

    #[test]
    fn a_name_that_others_have_is_not_taken() {
        let role = [Role::new("decode", TemplateRef::new("entry", 7))];
        let mut other = Revision::new(&role, 1);
        other.roles[0].1.entry.hash = 8;
        let new = Revision::among(&role, &[other.clone()], 2);
        assert_ne!(new.name, other.name);
        assert_eq!(Revision::among(&role, &[other], 2).name, new.name);
    }
}
