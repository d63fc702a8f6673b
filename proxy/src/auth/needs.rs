//! What an operation needs of who calls it.

/// The permission that an operation needs, and what kind of thing it is done to.
///
/// `task:new` on `service` is a task that is given to a service: the policy names the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Needs {
    /// The type in the policy.
    pub(crate) kind: &'static str,
    /// The verb in the policy.
    pub(crate) verb: &'static str,
    /// The kind of thing in the path.
    pub(crate) on: &'static str,
}

impl Needs {
    /// `type:verb`, on a kind of thing.
    pub(crate) const fn new(kind: &'static str, verb: &'static str, on: &'static str) -> Self {
        Self { kind, verb, on }
    }

    /// What is needed for a thing of a kind: what else an operation looks at on its way it must be able to see.
    pub(crate) fn of(self, kind: &'static str) -> (&'static str, &'static str) {
        if self.on == kind {
            (self.kind, self.verb)
        } else {
            (kind, "get")
        }
    }
}
