//! Every operation with what it needs: the one table. What has no row here is not served.
//!
//! A row reads method, path, `type:verb`, handler, below what it does in words. The permission is asked for on what the
//! path names; where a row says another kind of thing than its type, as `task` below `/service`, the policy names that
//! thing. What goes in and out is told by the types of the handler; an error that they do not tell of stands behind `=>`.

use axum::handler::Handler;
use axum::routing::{MethodFilter, on};
use axum::{Extension, Router};

use super::openapi::{Tell, Tells, tell};
use super::{
    Shared, account, content, data, event, executor, image, job, job_log, log, monitor, push,
    queue, revision, role, role_holders, server, service, story, task, update, usage, user,
};
use crate::auth::Needs;

/// The operations as routes, and as rows to be told of.
#[derive(Default)]
pub(super) struct Operations {
    /// Those that wait for what the client saw last.
    pub(super) views: Router<Shared>,
    /// Those that do without views.
    pub(super) platform: Router<Shared>,
    /// All of them.
    pub(super) rows: Vec<Operation>,
}

/// A row of the table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    pub(super) method: &'static str,
    /// Below `/v1`.
    pub(super) path: &'static str,
    pub(super) needs: Needs,
    /// What it does.
    pub(super) summary: &'static str,
    pub(super) from: From,
    /// What it takes and answers.
    pub(super) tell: Tell,
    /// The statuses of errors of its own.
    pub(super) also: &'static [u16],
}

/// How an operation is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum From {
    Views,
    Platform,
}

impl Operations {
    fn add<H, T>(
        mut self,
        from: From,
        (method, path, summary): (&'static str, &'static str, &'static str),
        (kind, verb): (&'static str, &'static str),
        handler: H,
        also: &'static [u16],
    ) -> Self
    where
        H: Handler<T, Shared> + Tells<T>,
        T: 'static,
    {
        let filter = match method {
            "POST" => MethodFilter::POST,
            "PATCH" => MethodFilter::PATCH,
            "DELETE" => MethodFilter::DELETE,
            _ => MethodFilter::GET,
        };
        let thing = path.split('/').nth(1).unwrap_or_default();
        let needs = Needs::new(kind, verb, thing);
        let tell = tell(&handler);
        let route = on(filter, handler).route_layer(Extension(needs));
        let router = match from {
            From::Views => &mut self.views,
            From::Platform => &mut self.platform,
        };
        *router = std::mem::take(router).route(path, route);
        self.rows.push(Operation {
            method,
            path,
            needs,
            summary,
            from,
            tell,
            also,
        });
        self
    }
}

macro_rules! table {
    ($($from:ident { $(
        #[doc = $summary:literal]
        $method:ident $path:literal $kind:ident : $verb:ident $handler:path $(=> $($also:literal)+)?,
    )+ })+) => {
        /// The table.
        pub(super) fn all() -> Operations {
            Operations::default()
            $($(.add(
                From::$from,
                (stringify!($method), $path, $summary),
                (stringify!($kind), stringify!($verb)),
                $handler,
                &[$($($also),+)?],
            ))+)+
        }
    };
}

table! {
    Views {
        /// Lists services.
        GET    "/service"                        service:get  service::list,
        /// Makes a service, with the runtime and the role that it has.
        POST   "/service"                        service:new  service::create,
        /// Tells of a service.
        GET    "/service/{reference}"            service:get  service::get,
        /// Changes what a service runs, and on which terms.
        PATCH  "/service/{reference}"            service:set  update::update,
        /// Takes a service away, and answers what it was.
        DELETE "/service/{reference}"            service:set  service::delete,
        /// Runs the same anew.
        POST   "/service/{reference}/restart"    service:set  revision::restart,
        /// Lists the revisions of a service.
        GET    "/service/{reference}/revision"   service:get  revision::list,
        /// Goes back to an earlier revision.
        POST   "/service/{reference}/rollback"   service:set  revision::rollback,
        /// Starts a service.
        POST   "/service/{reference}/start"      service:set  queue::start,
        /// Stops a service.
        POST   "/service/{reference}/stop"       service:set  queue::stop,
        /// Says how many workers a queue has.
        POST   "/service/{reference}/scale"      service:set  queue::scale,
        /// Tells how the workers of a queue are.
        GET    "/service/{reference}/status"     service:get  queue::status => 409,
        /// Tells the health of a queue as monitors read it.
        GET    "/service/{reference}/health"     service:get  queue::health => 409,
        /// Takes a service off the air until it is reactivated.
        POST   "/service/{reference}/deactivate" service:set  service::deactivate,
        /// Brings a deactivated service back.
        POST   "/service/{reference}/reactivate" service:set  service::reactivate,
        /// Lists the tasks of a queue, the newest first.
        GET    "/service/{reference}/task"       task:get     task::list,
        /// Gives tasks to a queue: one, one a line, or one for each worker.
        POST   "/service/{reference}/task"       task:new     task::submit,
        /// Removes tasks that ended.
        DELETE "/service/{reference}/task"       task:set     task::purge,
        /// Lists the tasks that failed for good.
        GET    "/service/{reference}/dead"       task:get     task::dead,
        /// Tries tasks again that failed for good.
        POST   "/service/{reference}/dead/requeue" task:set   task::requeue,
        /// Tells of a task, on request once it ended.
        GET    "/task/{reference}"               task:get     task::get,
        /// Hands out what the worker answered.
        GET    "/task/{reference}/result"        task:get     task::result => 409,
        /// Hands out what the worker printed.
        GET    "/task/{reference}/logs"          task:get     task::logs,
        /// Cancels a task.
        POST   "/task/{reference}/cancel"        task:set     task::cancel,
        /// Tries a task again.
        POST   "/task/{reference}/retry"         task:set     task::retry,
        /// Lists jobs.
        GET    "/job"                            job:get      job::list,
        /// Tells of a job, with all its runs.
        GET    "/job/{reference}"                job:get      job::get,
        /// Ends a job.
        DELETE "/job/{reference}"                job:set      job::kill,
        /// Ends a job.
        POST   "/job/{reference}/kill"           job:set      job::kill,
        /// Holds a job still.
        POST   "/job/{reference}/freeze"         job:set      job::freeze,
        /// Lets a job go on that was held still.
        POST   "/job/{reference}/thaw"           job:set      job::thaw,
        /// Hands out what a run printed, on request until it ends.
        GET    "/job/{reference}/logs"           job:get      job_log::get,
        /// Lists data.
        GET    "/data"                           data:get     data::list,
        /// Makes data without files.
        POST   "/data"                           data:new     data::create,
        /// Tells of data.
        GET    "/data/{reference}"               data:get     data::get,
        /// Tells which contents are yet to be sent.
        POST   "/data/{reference}/missing"       data:write   push::missing,
        /// Takes contents in: `SHA256 SIZE`, a line feed, the bytes, and so on.
        POST   "/data/{reference}/objects"       data:write   push::send,
        /// Lists the versions of data.
        GET    "/data/{reference}/version"       data:read    content::versions,
        /// Makes a version.
        POST   "/data/{reference}/version"       data:write   push::commit,
        /// Lists the files of a version.
        GET    "/data/{reference}/content"       data:read    content::list,
        /// Hands out one file.
        GET    "/data/{reference}/file"          data:read    content::file,
        /// Hands out several files, one behind the other.
        POST   "/data/{reference}/files"         data:read    content::read,
        /// Lists roles.
        GET    "/role"                           role:get     role::list,
        /// Makes a role.
        POST   "/role"                           role:new     role::create,
        /// Tells of a role.
        GET    "/role/{reference}"               role:get     role::get,
        /// Adds a policy to a role.
        POST   "/role/{reference}/policy"        policy:new   role::add_policy,
        /// Takes a policy from a role.
        POST   "/role/{reference}/policy/remove" policy:set   role::remove_policy,
        /// Lists the keys of a role.
        GET    "/role/{reference}/key"           role:get     role_holders::keys,
        /// Makes a key of a role: it is told once.
        POST   "/role/{reference}/key"           role:set     role_holders::add_key,
        /// Makes a key good for nothing.
        POST   "/role/{reference}/key/revoke"    role:set     role_holders::revoke_key,
        /// Lets a user hold a role.
        POST   "/role/{reference}/member"        role:set     role_holders::add_member,
        /// Takes a role from a user.
        POST   "/role/{reference}/member/remove" role:set     role_holders::remove_member,
        /// Lists users.
        GET    "/user"                           user:get     user::list,
        /// Makes a user, and tells once what it logs in with.
        POST   "/user"                           user:new     user::create,
        /// Tells of a user.
        GET    "/user/{reference}"               user:get     user::get,
        /// Gives another token to log in with.
        POST   "/user/{reference}/token"         user:set     user::token,
        /// Makes all tokens of a user so far good for nothing.
        POST   "/user/{reference}/revoke"        user:set     user::revoke,
        /// Lists accounts.
        GET    "/account"                        account:get  account::list,
        /// Tells of an account.
        GET    "/account/{reference}"            account:get  account::get,
        /// Lists the organization that is yours.
        GET    "/organization"                   account:get  account::organizations,
        /// Tells of the organization that is yours.
        GET    "/organization/{reference}"       account:get  account::organization,
        /// Tells who you are.
        GET    "/me"                             user:get     account::me => 404,
        /// Lists what you may do.
        GET    "/me/policy"                      user:get     user::policies,
        /// Lists executors.
        GET    "/executor"                       executor:get executor::list,
        /// Tells of an executor.
        GET    "/executor/{reference}"           executor:get executor::get,
        /// Gives an executor no new jobs.
        POST   "/executor/{reference}/drain"     executor:set executor::drain,
        /// Gives an executor jobs again.
        POST   "/executor/{reference}/undrain"   executor:set executor::undrain,
        /// Lists credentials of monitors.
        GET    "/monitor"                        monitor:get  monitor::list,
        /// Makes credentials of a monitor: they are told once.
        POST   "/monitor"                        monitor:new  monitor::create,
        /// Cuts off whoever uses credentials.
        POST   "/monitor/{reference}/revoke"     monitor:set  monitor::revoke,
        /// Lists events, or follows them.
        GET    "/event"                          event:get    event::list,
        /// Hands out an event as it is stored.
        GET    "/event/{reference}"              event:get    event::get,
        /// Tells why something is as it is.
        GET    "/explanation/{reference}"        event:get    story::explain,
        /// Tells what happened to something.
        GET    "/timeline/{reference}"           event:get    story::timeline,
    }
    Platform {
        /// Tells of the platform.
        GET    "/server"                         server:get   server::info,
        /// Tells what the platform has on the disk.
        GET    "/server/usage"                   server:get   usage::usage,
        /// Lists the events of the whole log.
        GET    "/server/event"                   server:read  log::list,
        /// Folds the views from the log again.
        POST   "/server/rebuild"                 server:set   server::rebuild,
        /// Compares the views with the log.
        POST   "/server/verify"                  server:set   server::verify,
        /// Lists the images of this machine.
        GET    "/image"                          image:get    image::list => 409,
        /// Makes an image of a tar.
        POST   "/image"                          image:new    image::import => 409 422,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everybody may ask who it is itself, and in which organization: the caller's own is all that they tell.
    const OPEN: [&str; 4] = [
        "/me",
        "/me/policy",
        "/organization",
        "/organization/{reference}",
    ];

    #[test]
    fn every_operation_is_about_what_its_path_names() {
        let rows = all().rows;
        for row in &rows {
            let Needs { kind, verb, on } = row.needs;
            let about = match (on, kind) {
                // The last two tell events, of whatever it is.
                ("service", "task")
                | ("role", "policy")
                | ("explanation" | "timeline", "event") => true,
                _ if OPEN.contains(&row.path) => true,
                (on, kind) => on == kind,
            };
            assert!(about, "{row:?}");
            // What changes nothing needs no right to change.
            let reads = ["get", "read"].contains(&verb);
            let question = row.path == "/data/{reference}/files";
            assert_eq!(reads, row.method == "GET" || question, "{row:?}");
        }
        let mut names: Vec<_> = rows.iter().map(|row| (row.path, row.method)).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), rows.len());
    }
}
