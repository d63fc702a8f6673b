//! The environment of a run: what the spec sets, and above it what the platform says.

use eai_core::job::Submitted;
use eai_core::spec::Cpu;

/// Where a run's own files go.
pub(crate) const HOME: &str = "/home/toolkit";

/// The variables of a run. The platform's win over the spec's, so that nobody is misled about where he is.
pub(crate) fn variables(
    submitted: &Submitted,
    run: u32,
    console_url: &str,
) -> Vec<(String, String)> {
    let spec = &submitted.configuration.spec;
    let cores = whole_cores(spec.resources.cpu).to_string();
    let memory = u64::from(spec.resources.mem.mebibytes()) * 1024 * 1024;
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    // Libraries that start a thread a core look at these; a spec may know better.
    let mut variables = vec![
        own(("OMP_NUM_THREADS", &cores)),
        own(("OMP_THREAD_LIMIT", &cores)),
        own(("PRETEND_CPUS", &cores)),
        own(("HOME", HOME)),
    ];
    variables.extend(spec.environment_vars.iter().map(own));
    variables.extend([
        own(("EAI_JOB_ID", &submitted.id.to_string())),
        own(("EAI_RUN_INDEX", &run.to_string())),
        own(("EAI_ACCOUNT_ID", &submitted.account_id.to_string())),
        own(("EAI_CONSOLE_URL", console_url)),
        own(("EAI_CPU_LIMIT", &cpu_limit(spec.resources.cpu))),
        own(("EAI_MEMORY_LIMIT", &memory.to_string())),
    ]);
    if let Some(user) = submitted.user {
        variables.push(own(("EAI_USER", &user.to_string())));
    }
    // Of two with one name the later counts.
    let mut seen = std::collections::HashSet::new();
    variables.reverse();
    variables.retain(|(name, _)| seen.insert(name.clone()));
    variables.reverse();
    variables
}

/// The run's token.
pub(crate) const TOKEN: &str = "EAI_TOKEN";
/// The trace context of the request that the run was started by, where others look for it.
pub(crate) const TRACEPARENT: &str = "TRACEPARENT";

/// Says something of a run unless the spec does: with a token of its own it acts as somebody else, on purpose.
pub(crate) fn add(variables: &mut Vec<(String, String)>, name: &str, value: String) {
    if variables.iter().all(|(found, _)| found != name) {
        variables.push((name.to_owned(), value));
    }
}

fn whole_cores(cpu: Cpu) -> u32 {
    cpu.milli().div_ceil(1000).max(1)
}

/// Cores as a number: `0.5`, `2`.
fn cpu_limit(cpu: Cpu) -> String {
    let milli = cpu.milli();
    if milli.is_multiple_of(1000) {
        (milli / 1000).to_string()
    } else {
        format!("{}.{:03}", milli / 1000, milli % 1000)
            .trim_end_matches('0')
            .to_owned()
    }
}

#[cfg(test)]
mod tests {
    use eai_core::digest::Digest;
    use eai_core::ids::{AccountId, DataId, JobId, UserId};
    use eai_core::job::{Configuration, DataVersion};
    use eai_core::spec::Spec;
    use uuid::Uuid;

    use super::*;

    fn submitted(spec: &str) -> Submitted {
        Submitted {
            id: JobId(Uuid::from_u128(1)),
            name: None,
            service: None,
            configuration: Box::new(Configuration {
                spec: Spec::parse(spec.as_bytes()).unwrap(),
                runtime: DataVersion {
                    data: DataId(Uuid::from_u128(2)),
                    version: 1,
                    manifest: Digest::ZERO,
                },
                mounts: Vec::new(),
            }),
            account_id: AccountId(Uuid::from_u128(3)),
            user: Some(UserId(Uuid::from_u128(4))),
        }
    }

    fn value<'a>(variables: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let mut found = variables.iter().filter(|(found, _)| found == name);
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands there twice");
        value
    }

    #[test]
    fn a_run_knows_where_it_is() {
        let spec = "{resources: {cpu: 1.5, mem: 2}, environmentVars: [MODE=fast]}";
        let variables = variables(&submitted(spec), 3, "http://localhost:8080");
        for (name, expected) in [
            ("EAI_JOB_ID", "00000000-0000-0000-0000-000000000001"),
            ("EAI_RUN_INDEX", "3"),
            ("EAI_ACCOUNT_ID", "00000000-0000-0000-0000-000000000003"),
            ("EAI_USER", "00000000-0000-0000-0000-000000000004"),
            ("EAI_CONSOLE_URL", "http://localhost:8080"),
            ("EAI_CPU_LIMIT", "1.5"),
            ("EAI_MEMORY_LIMIT", "2147483648"),
            ("OMP_NUM_THREADS", "2"),
            ("HOME", HOME),
            ("MODE", "fast"),
        ] {
            assert_eq!(value(&variables, name), Some(expected), "{name}");
        }
    }

    #[test]
    fn a_spec_may_set_threads_but_not_who_it_is() {
        let spec = "{environmentVars: [OMP_NUM_THREADS=7, EAI_JOB_ID=x, HOME=/tmp]}";
        let variables = variables(&submitted(spec), 0, "http://localhost:8080");
        assert_eq!(value(&variables, "OMP_NUM_THREADS"), Some("7"));
        assert_eq!(value(&variables, "HOME"), Some("/tmp"));
        assert!(value(&variables, "EAI_JOB_ID").unwrap().ends_with('1'));
    }

    #[test]
    fn a_token_of_the_spec_stays() {
        let own = "{environmentVars: [EAI_TOKEN=mine]}";
        for (spec, expected) in [(own, "mine"), ("{}", "given")] {
            let mut variables = variables(&submitted(spec), 0, "http://localhost:8080");
            add(&mut variables, TOKEN, "given".into());
            assert_eq!(value(&variables, "EAI_TOKEN"), Some(expected));
        }
    }
}
