//! What rows are to policies: an account, and what tells one thing in it from the others.

use eai_core::access::Thing;
use eai_core::names::Name;
use eai_projections::{
    AccountRow, DataRow, ExecutorRow, JobRow, MonitorRow, RoleRow, ServiceRow, UserRow,
};

/// Something that policies are about.
pub(crate) trait IsThing {
    /// As policies know it.
    fn thing(&self) -> Thing<'_>;
}

macro_rules! named {
    ($($row:ty,)*) => {$(
        impl IsThing for $row {
            fn thing(&self) -> Thing<'_> {
                Thing::named(&self.account, self.id.0, self.name.as_str())
            }
        }
    )*};
}

named! {
    DataRow,
    MonitorRow,
    RoleRow,
    ServiceRow,
    UserRow,
}

impl IsThing for AccountRow {
    fn thing(&self) -> Thing<'_> {
        Thing {
            id: Some(self.id.0),
            ..Thing::account(&self.full_name)
        }
    }
}

impl IsThing for ExecutorRow {
    fn thing(&self) -> Thing<'_> {
        Thing::by_id(&self.account, self.id.0)
    }
}

impl IsThing for JobRow {
    fn thing(&self) -> Thing<'_> {
        let service = self.service_id.map(|id| id.0).zip(self.service.as_deref());
        Thing {
            name: self.name.as_ref().map(Name::as_str),
            ..Thing::by_id(&self.account, self.id.0)
        }
        .of(service)
    }
}
