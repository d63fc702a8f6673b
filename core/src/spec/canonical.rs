//! The canonical form of a spec: one text for one meaning, from which its hash is taken.

use serde_json::Value;

use super::Spec;

impl Spec {
    /// JSON with everything written, in a fixed order, amounts as integers.
    ///
    /// Hashes of it are in events for ever. A field that is added later is written only where it differs from
    /// its default, so that no spec of today gets another hash; anything else is a new format, by the side of
    /// this one. It is put together by hand, since the order of a JSON map depends on how a dependency is built.
    pub fn canonical(&self) -> String {
        let text = |text: &str| Value::from(text).to_string();
        let optional = |value: Option<&str>| Value::from(value).to_string();
        let list = |items: Vec<String>| Value::from(items).to_string();
        let Self {
            runtime,
            resources,
            environment_vars,
            data,
            workdir,
            port,
            readiness,
            requirements,
            worker,
            preemptable,
            max_run_time,
        } = self;
        let requirements = requirements
            .as_ref()
            .map_or_else(String::new, |requirements| {
                format!(r#","requirements":{}"#, text(requirements.as_str()))
            });
        let worker = worker.as_ref().map_or_else(String::new, |worker| {
            format!(r#","worker":{}"#, worker.canonical())
        });
        let command = runtime.command.arguments().iter();
        let variables = environment_vars.iter();
        format!(
            r#"{{"format":"eai.spec.v1","command":{command},"cpuMilli":{cpu},"data":{data},"environmentVars":{variables},"gpu":{gpu},"gpuMemMib":{gpu_mem},"image":{image},"maxRunTime":{max_run_time},"memMib":{mem},"port":{port},"preemptable":{preemptable},"readinessPath":{readiness},"workdir":{workdir}{requirements}{worker}}}"#,
            command = list(command.map(ToString::to_string).collect()),
            cpu = resources.cpu.milli(),
            data = list(data.iter().map(super::Mount::canonical).collect()),
            variables = list(
                variables
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect()
            ),
            gpu = resources.gpu,
            gpu_mem = resources.gpu_mem.map_or(0, super::Memory::mebibytes),
            image = text(runtime.image.as_str()),
            mem = resources.mem.mebibytes(),
            readiness = optional(readiness.path.as_ref().map(super::UrlPath::as_str)),
            workdir = optional(workdir.as_ref().map(super::AbsolutePath::as_str)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(text: &str) -> String {
        Spec::parse(text.as_bytes()).unwrap().hash().to_string()
    }

    /// These are in the events of every platform: never to change. A test that fails here has found a change
    /// that would restart every service.
    #[test]
    fn hashes_are_for_ever() {
        assert_eq!(
            Spec::default().canonical(),
            r#"{"format":"eai.spec.v1","command":["/bin/sh","-c","cp /service/* /tmp/ && python3 -m http.server 8080 --directory /tmp"],"cpuMilli":1000,"data":[],"environmentVars":[],"gpu":0,"gpuMemMib":0,"image":"python:3.10","maxRunTime":0,"memMib":1024,"port":8080,"preemptable":false,"readinessPath":null,"workdir":null}"#
        );
        assert_eq!(
            hash(""),
            "a24d43239b308b59a8afe9941446a691e79d9835e5ddea8a49a7045d96260a86"
        );
        let all = r#"
runtime: {image: "nginx:1.27", command: [sh, -c, "echo \"ü\"\n\u0001"]}
resources: {cpu: 0.25, mem: 0.1, gpu: 1, gpuMem: 16}
environmentVars: [B=2, A=1]
data: ["z@v1/a:/z:rw", "y:/y"]
workdir: /w
port: 80
readiness: {path: /ok}
preemptable: true
maxRunTime: 60
"#;
        assert_eq!(
            hash(all),
            "8c3cefd62e8292a8b3bd535a42fc7dffd4b86987ff94da5f7f5f8331ee69ac68"
        );
    }

    #[test]
    fn equal_meaning_is_an_equal_hash() {
        for (left, right) in [
            (
                "resources: {cpu: 1, mem: 1}",
                "resources: {mem: 1.0, cpu: 1.000}",
            ),
            ("port: 8080", ""),
            (
                "environmentVars: [A=1, B=2]",
                "environmentVars: [B=0, B=2, A=1]",
            ),
            (
                "data: ['a:/a', 'b:/b']",
                "data: ['b@latest:/b:ro', 'a:/a/']",
            ),
            ("workdir: /a", "workdir: /a/"),
            (
                "resources: {gpuMem: 0}",
                "{preemptable: false, maxRunTime: 0, readiness: {}}",
            ),
        ] {
            assert_eq!(hash(left), hash(right), "{left} / {right}");
        }
    }

    #[test]
    fn another_meaning_is_another_hash() {
        let specs = [
            "",
            "runtime: {image: a}",
            "runtime: {image: b}",
            "runtime: {image: a, command: [x]}",
            "runtime: {image: a, command: [x, '']}",
            "resources: {cpu: 2}",
            "resources: {mem: 2}",
            "resources: {gpu: 1}",
            "resources: {gpu: 1, gpuMem: 1}",
            "environmentVars: [A=]",
            "environmentVars: [A=1]",
            "data: ['a:/a']",
            "data: ['a@v:/a']",
            "data: ['a/b:/a']",
            "data: ['a:/b']",
            "data: ['a:/a:rw']",
            "data: ['snow.testacc.a:/a']",
            "workdir: /a",
            "port: 1",
            "readiness: {path: /}",
            "preemptable: true",
            "maxRunTime: 1",
            "requirements: six",
            "requirements: six==1",
            "worker: {handler: a.b}",
            "worker: {handler: a.c}",
            "worker: {agiWorker: a.b}",
        ];
        let hashes: std::collections::BTreeSet<_> = specs.iter().map(|text| hash(text)).collect();
        assert_eq!(hashes.len(), specs.len());
    }
}
