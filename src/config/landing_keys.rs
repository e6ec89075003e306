//! `[landing]`: of which deliveries it is proven that they are in the mailbox.

use std::time::Duration;

use super::reader::Section;
use super::sections::set;
use super::units::duration;
use crate::queue::landing;

pub(super) fn landing(root: &Section<'_>) -> landing::Options {
    let mut options = landing::Options::default();
    if let Some(section) = root.section("landing") {
        set(&mut options.share, section.text("sample", sample));
        let within = section.text("within", |text| {
            let within = duration(text)?;
            if within < Duration::from_secs(1) {
                return Err(format!("\"{text}\" is too short, expected 1s or more"));
            }
            Ok(within)
        });
        set(&mut options.within, within);
        section.finish();
    }
    options
}

/// `all`, `none` or `2.5%`: in ten thousandths.
fn sample(text: &str) -> Result<u32, String> {
    let wrong = || format!("\"{text}\" is no sample, expected \"all\", \"none\" or \"1%\"");
    match text {
        "all" => return Ok(10_000),
        "none" => return Ok(0),
        _ => {}
    }
    let number = text.strip_suffix('%').ok_or_else(wrong)?.trim_end();
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || part.len() > 2 || !digits(whole) || !digits(part) {
        return Err(wrong());
    }
    let whole: u32 = whole.parse().map_err(|_| wrong())?;
    let part: u32 = format!("{part:0<2}").parse().map_err(|_| wrong())?;
    let share = whole
        .checked_mul(100)
        .and_then(|whole| whole.checked_add(part));
    share.filter(|share| *share <= 10_000).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_read() {
        for (text, share) in [
            ("all", 10_000),
            ("none", 0),
            ("100%", 10_000),
            ("1%", 100),
            ("0.5 %", 50),
            ("0.05%", 5),
        ] {
            assert_eq!(sample(text), Ok(share), "{text}");
        }
        for text in [
            "",
            "%",
            "1",
            "101%",
            "0.005%",
            "-1%",
            ".5%",
            "99999999999%",
            "some",
        ] {
            assert!(sample(text).unwrap_err().contains("expected"), "{text}");
        }
    }
}
