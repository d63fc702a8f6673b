//! Every verb shows how it is used, and what it shows can be typed.

use clap::{Command, CommandFactory as _, Parser as _};

use super::Cli;

/// What the help of a command shows, without what stands behind a blank line.
fn examples(command: &Command) -> Vec<String> {
    let help = command.get_after_help().map(ToString::to_string);
    let help = help.unwrap_or_default();
    let lines = help.lines().skip_while(|line| *line != "Examples:");
    lines
        .skip(1)
        .take_while(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The command lines of ours in a line of a shell, as words.
fn typed(line: &str) -> Vec<Vec<String>> {
    let mut outer = String::new();
    let mut parts: Vec<String> = Vec::new();
    let mut rest = line;
    while let Some((before, behind)) = rest.split_once("$(") {
        let (inner, after) = behind.split_once(')').unwrap();
        outer.push_str(before);
        outer.push_str("output");
        parts.push(inner.to_owned());
        rest = after;
    }
    outer.push_str(rest);
    parts.extend(
        outer
            .split(" | ")
            .flat_map(|part| part.split(" && "))
            .map(str::to_owned),
    );
    let words = |part: String| -> Option<Vec<String>> {
        let words = shlex::split(&part).unwrap();
        let words = words.into_iter();
        // A variable before a command is for the shell, and so is what is behind it.
        let words: Vec<String> = words
            .skip_while(|word| word.contains('=') && !word.starts_with('-'))
            .take_while(|word| word != ">")
            .collect();
        (words.first()? == "eai").then_some(words)
    };
    parts.into_iter().filter_map(words).collect()
}

fn check(command: &Command, path: &str) -> usize {
    let examples = examples(command);
    let runs = !command.has_subcommands() || !command.is_subcommand_required_set();
    assert!(!examples.is_empty(), "`{path} --help` has no examples");
    let mut own = 0;
    for line in &examples {
        let line = line.strip_prefix("  ").unwrap();
        // The first help of all says beside each what it does.
        let line = line.split_once("  ").map_or(line, |(line, _)| line);
        let commands = typed(line);
        assert!(
            !commands.is_empty(),
            "`{path} --help`: `{line}` is no command of ours"
        );
        for words in commands {
            let name = command.get_name_and_visible_aliases();
            own += usize::from(words.iter().any(|word| name.contains(&word.as_str())));
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("`{path} --help`: `{line}` cannot be typed: {error}");
            }
        }
    }
    if runs {
        assert!(own > 0, "`{path} --help` shows only other commands");
    }
    let below = command.get_subcommands();
    let below = below.map(|sub| check(sub, &format!("{path} {}", sub.get_name())));
    usize::from(runs) + below.sum::<usize>()
}

#[test]
fn every_verb_shows_examples_that_can_be_typed() {
    let verbs = check(&Cli::command(), "eai");
    assert!(verbs > 80, "{verbs}");
}

#[test]
fn what_is_typed_is_found_in_lines_of_a_shell() {
    let words =
        |line: &str| -> Vec<String> { typed(line).iter().map(|words| words.join("+")).collect() };
    assert_eq!(
        words("K=$(eai role key new r --field key) eai service ls > f"),
        ["eai+role+key+new+r+--field+key", "eai+service+ls"]
    );
    assert_eq!(
        words("jq -c . a | eai task submit s - && ls"),
        ["eai+task+submit+s+-"]
    );
    assert_eq!(
        words("eai task submit s '{\"a\":1}'"),
        ["eai+task+submit+s+{\"a\":1}"]
    );
}
