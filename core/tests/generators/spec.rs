//! Random specs, and text that is nearly one.

use eai_core::spec::{
    Argument, Command, Cpu, Environment, Gpus, Memory, Mount, Mounts, Port, Readiness, Resources,
    Runtime, Seconds, Spec, Worker,
};
use proptest::prelude::*;
use proptest::sample::select;

/// Any spec that is in order.
pub(crate) fn any() -> impl Strategy<Value = Spec> {
    let runtime = (
        "[a-z0-9][a-zA-Z0-9._:/@+-]{0,20}",
        prop::collection::vec(argument(), 0..5),
    );
    let resources = (
        0.01..1024.0,
        0.01..16384.0,
        0..=64_i64,
        prop::option::of(0.01..100.0_f64),
    );
    let environment = prop::collection::vec(("[A-Za-z_][A-Za-z0-9_]{0,6}", argument()), 0..5);
    let rest = (
        prop::option::of(path()),
        1..=65_535_i64,
        prop::option::of("/[!-\"$-~]{0,20}"),
        proptest::bool::ANY,
        0..=315_360_000_i64,
    );
    (runtime, resources, environment, mounts(), rest).prop_map(
        |(runtime, resources, variables, data, rest)| {
            let (image, mut arguments) = runtime;
            if let Some(program) = arguments.first_mut().filter(|program| program.is_empty()) {
                program.push('x');
            }
            let arguments: Vec<Argument> = arguments
                .into_iter()
                .map(|text| text.try_into().unwrap())
                .collect();
            let (cpu, mem, gpu, gpu_mem) = resources;
            let mut environment_vars = Environment::default();
            for (name, value) in variables {
                environment_vars.set(&name, &value).unwrap();
            }
            let (workdir, port, ready, preemptable, seconds) = rest;
            // What has no command may be a worker.
            let worker = (arguments.is_empty() && preemptable)
                .then(|| Worker::Handler("app.handle".parse().unwrap()));
            Spec {
                runtime: Runtime {
                    image: image.parse().unwrap(),
                    command: Command::new(arguments).unwrap(),
                },
                resources: Resources {
                    cpu: Cpu::try_from(cpu).unwrap(),
                    mem: Memory::try_from(mem).unwrap(),
                    gpu: Gpus::try_from(gpu).unwrap(),
                    gpu_mem: gpu_mem
                        .filter(|_| gpu > 0)
                        .map(|memory| Memory::try_from(memory).unwrap()),
                },
                environment_vars,
                data,
                workdir: workdir.map(|path| path.parse().unwrap()),
                port: Port::try_from(port).unwrap(),
                readiness: Readiness {
                    path: ready.map(|path| path.parse().unwrap()),
                },
                requirements: preemptable.then(|| "six==1.16.0\n".parse().unwrap()),
                worker,
                preemptable,
                max_run_time: Seconds::try_from(seconds).unwrap(),
            }
        },
    )
}

/// One of few specs, so that two are often equal, and written differently.
pub(crate) fn small() -> impl Strategy<Value = Spec> {
    let lines = select(vec![
        "",
        "port: 8080",
        "port: 80",
        "resources: {cpu: 1.0}",
        "resources: {cpu: 1, mem: 1.0, gpu: 0}",
        "resources: {mem: 2}",
        "environmentVars: [A=1, B=2]",
        "environmentVars: [B=2, A=0, A=1]",
        "environmentVars: ['A=1\",\"B=2']",
        "data: ['a:/x', 'b:/y']",
        "data: ['b@latest:/y/', 'a/:/x:ro']",
        "runtime: {image: a, command: [b, c]}",
        "runtime: {image: a, command: [b c]}",
        "runtime: {image: 'python:3.10'}",
        "workdir: /",
        "preemptable: false",
        "maxRunTime: 0",
    ]);
    lines.prop_map(|yaml| Spec::parse(yaml.as_bytes()).unwrap())
}

/// YAML of the right words in a random order.
pub(crate) fn near_yaml() -> impl Strategy<Value = String> {
    let words = select(vec![
        "runtime",
        "image",
        "command",
        "resources",
        "cpu",
        "mem",
        "data",
        "environmentVars",
        "port",
        "workdir",
        "readiness",
        "path",
        "preemptable",
        "gpu",
        ": ",
        ":",
        "\n",
        "\n  ",
        "\n- ",
        "- ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "a:/b",
        "A=1",
        "1",
        "0.5",
        "true",
        "~",
        "&a ",
        "*a",
        "<<",
        "!!str ",
        "!x ",
        "'",
        "\"",
        "\\0",
        "\\x1b",
        "|\n  ",
        ">-\n",
        "# ",
        "---\n",
        "%YAML",
        "\t",
        "\u{85}",
        "é",
        ".nan",
        "0x1F",
        "/tmp",
        "?",
        "\r\n",
        "\u{1b}[31m",
    ]);
    prop::collection::vec(words, 0..30).prop_map(|words| words.concat())
}

fn argument() -> impl Strategy<Value = String> {
    let tricky = select(vec![
        "",
        " ",
        "~",
        "null",
        "true",
        "yes",
        "1",
        "0x1F",
        "1e3",
        ".nan",
        "-",
        "--",
        "- a",
        "a: b",
        "#",
        " # a",
        "%a",
        "@a",
        "`a`",
        "!a",
        "&a",
        "*a",
        "|",
        ">",
        "'",
        "\"",
        "a\n",
        "\na",
        " a\n  b\n\n",
        "a\r\nb",
        "\t",
        "a ",
        "---",
        "...",
        "{}",
        "[]",
        "<<",
        "=",
        "2026-01-01",
    ]);
    prop_oneof![
        1 => tricky.prop_map(String::from),
        2 => super::text().prop_map(|text| text.replace('\0', "")),
        1 => "[a-z ]{70,120}",
    ]
}

fn path() -> impl Strategy<Value = String> {
    let part = prop_oneof!["[a-z0-9._-]{1,8}", "[ -.0-~äß]{1,6}"];
    prop::collection::vec(part, 0..4).prop_map(|parts| {
        let parts: Vec<_> = parts
            .into_iter()
            .filter(|part| !matches!(part.as_str(), "." | ".."))
            .collect();
        format!("/{}", parts.join("/"))
    })
}

fn mounts() -> impl Strategy<Value = Mounts> {
    let source = prop_oneof![
        super::name().prop_map(|name| name.to_string()),
        super::full_name().prop_map(|name| name.to_string()),
        super::id().prop_map(|id| id.to_string()),
    ];
    let mount = (
        source,
        "(@[A-Za-z0-9_.-]{1,6})?",
        "(/[a-z]{1,3}){0,2}",
        "(/[a-z ]{1,3}){0,1}",
        select(vec!["", ":ro", ":rw"]),
    );
    prop::collection::vec(mount, 0..4).prop_map(|mounts| {
        let mounts = mounts.into_iter().enumerate().map(
            |(index, (source, version, subpath, target, access))| {
                // A first part of its own for each, so that none lies within another.
                format!("{source}{version}{subpath}:/m{index}{target}{access}")
                    .parse::<Mount>()
                    .unwrap()
            },
        );
        Mounts::new(mounts.collect()).unwrap()
    })
}
