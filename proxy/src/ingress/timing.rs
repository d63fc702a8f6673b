//! `Server-Timing`: where the time of a request went. Its parts add up to its total.

use std::time::Duration;

use axum::http::HeaderValue;

use super::ColdStart;

/// The header of a request that took `total`, of which `routing` passed before somebody was there to answer it.
///
/// The phases are the last ones that fit in `routing`, since a request may join a start that others began.
pub(super) fn header(total: Duration, routing: Duration, start: Option<&ColdStart>) -> HeaderValue {
    let total = hundredths(total);
    let mut text = Vec::with_capacity(if start.is_some() { 192 } else { 48 });
    let mut rest = total;
    if let Some(start) = start.filter(|start| !start.thaw.is_zero()) {
        let part = hundredths(start.thaw).min(total);
        rest -= part;
        entry(&mut text, "thaw", part);
    } else if let Some(start) = start {
        for (name, part) in within(start, hundredths(routing).min(total)) {
            rest -= part;
            entry(&mut text, name, part);
        }
    }
    entry(&mut text, "proxy", rest);
    entry(&mut text, "total", total);
    // Names and digits: always a value.
    HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("total"))
}

/// Each phase, cut from the front so that all of them fit.
fn within(start: &ColdStart, mut room: u64) -> [(&'static str, u64); 6] {
    let mut parts = [
        ("queue", hundredths(start.queue)),
        ("image", hundredths(start.image)),
        ("data", hundredths(start.data)),
        ("create", hundredths(start.create)),
        ("start", hundredths(start.start)),
        ("ready", hundredths(start.ready)),
    ];
    for (_, part) in parts.iter_mut().rev() {
        *part = (*part).min(room);
        room -= *part;
    }
    parts
}

/// In hundredths of a millisecond.
fn hundredths(time: Duration) -> u64 {
    u64::try_from(time.as_micros() / 10).unwrap_or(u64::MAX)
}

fn entry(text: &mut Vec<u8>, name: &str, hundredths: u64) {
    if !text.is_empty() {
        text.extend_from_slice(b", ");
    }
    text.extend_from_slice(name.as_bytes());
    text.extend_from_slice(b";dur=");
    // From the last digit to the first, and at least `0.00`.
    let (mut digits, mut from, mut rest) = ([b'0'; 24], 24, hundredths);
    while rest > 0 || from > 20 {
        from -= 1;
        if from == 21 {
            digits[from] = b'.';
            continue;
        }
        digits[from] = b"0123456789"[(rest % 10) as usize];
        rest /= 10;
    }
    text.extend_from_slice(&digits[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_warm_request_has_two_entries() {
        let header = header(Duration::from_micros(1_239), ms(0), None);
        assert_eq!(header, "proxy;dur=1.23, total;dur=1.23");
        for (micros, text) in [
            (0, "0.00"),
            (99, "0.09"),
            (990, "0.99"),
            (10_000, "10.00"),
            (1_234_567_891, "1234567.89"),
        ] {
            let told = super::header(Duration::from_micros(micros), ms(0), None);
            let expected = format!("proxy;dur={text}, total;dur={text}");
            assert_eq!(told, expected.as_str());
        }
    }

    #[test]
    fn phases_add_up_to_the_total() {
        let start = ColdStart {
            queue: ms(1),
            image: ms(2),
            data: ms(3),
            create: ms(4),
            start: ms(5),
            ready: ms(6),
            thaw: ms(0),
        };
        assert_eq!(
            header(ms(30), ms(25), Some(&start)),
            "queue;dur=1.00, image;dur=2.00, data;dur=3.00, create;dur=4.00, start;dur=5.00, ready;dur=6.00, \
             proxy;dur=9.00, total;dur=30.00"
        );
    }

    #[test]
    fn a_thaw_is_one_phase() {
        let start = ColdStart {
            thaw: ms(3),
            ..ColdStart::default()
        };
        assert_eq!(
            header(ms(5), ms(4), Some(&start)),
            "thaw;dur=3.00, proxy;dur=2.00, total;dur=5.00"
        );
    }

    #[test]
    fn who_came_late_waited_for_the_last_phases_only() {
        let start = ColdStart {
            queue: ms(100),
            ready: ms(6),
            start: ms(5),
            ..ColdStart::default()
        };
        assert_eq!(
            header(ms(10), ms(9), Some(&start)),
            "queue;dur=0.00, image;dur=0.00, data;dur=0.00, create;dur=0.00, start;dur=3.00, ready;dur=6.00, \
             proxy;dur=1.00, total;dur=10.00"
        );
    }
}
