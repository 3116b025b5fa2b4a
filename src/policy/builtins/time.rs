//! `time.*`: nanoseconds since 1970, in UTC alone.

use anyhow::{Result, anyhow, bail};
use jiff::{Span, Timestamp, civil, tz::TimeZone};
use regorus::Value;

use super::{text, whole};

/// The time that an argument says.
fn time(given: &[Value]) -> Result<civil::DateTime> {
    if matches!(given.first(), Some(Value::Array(_))) {
        bail!("a time is a number of nanoseconds; what other zones mean depends on the machine");
    }
    let time = Timestamp::from_nanosecond(whole(given, 0)?.into())?;
    Ok(TimeZone::UTC.to_datetime(time))
}

fn nanoseconds(time: Timestamp) -> Result<Value> {
    let nanoseconds = i64::try_from(time.as_nanosecond());
    nanoseconds.map(Value::from).map_err(|_| anyhow!("{time} is no time of 64 bits"))
}

/// Go's `AddDate`: months and days beyond the end run over into the next.
pub(super) fn add_date(given: &[Value]) -> Result<Value> {
    let from = time(given)?;
    let number = |position| Ok::<_, anyhow::Error>(i32::try_from(whole(given, position)?)?);
    let (years, months, days) = (number(1)?, number(2)?, number(3)?);
    let month = i64::from(from.month()) - 1 + i64::from(months);
    let year = i64::from(from.year()) + i64::from(years) + month.div_euclid(12);
    let first = civil::Date::new(i16::try_from(year)?, i8::try_from(month.rem_euclid(12) + 1)?, 1)?;
    let days = i64::from(from.day()) - 1 + i64::from(days);
    let date = first.checked_add(Span::new().try_days(days)?)?;
    nanoseconds(TimeZone::UTC.to_timestamp(date.to_datetime(from.time()))?)
}

pub(super) fn clock(given: &[Value]) -> Result<Value> {
    let time = time(given)?;
    let parts = [time.hour(), time.minute(), time.second()];
    Ok(parts.map(|part| Value::from(i64::from(part))).to_vec().into())
}

pub(super) fn date(given: &[Value]) -> Result<Value> {
    let time = time(given)?;
    let parts = [i64::from(time.year()), i64::from(time.month()), i64::from(time.day())];
    Ok(parts.map(Value::from).to_vec().into())
}

pub(super) fn format(given: &[Value]) -> Result<Value> {
    let time = TimeZone::UTC.to_timestamp(time(given)?)?;
    Ok(Value::from(time.to_string()))
}

pub(super) fn weekday(given: &[Value]) -> Result<Value> {
    let name = match time(given)?.weekday() {
        civil::Weekday::Monday => "Monday",
        civil::Weekday::Tuesday => "Tuesday",
        civil::Weekday::Wednesday => "Wednesday",
        civil::Weekday::Thursday => "Thursday",
        civil::Weekday::Friday => "Friday",
        civil::Weekday::Saturday => "Saturday",
        civil::Weekday::Sunday => "Sunday",
    };
    Ok(Value::from(name))
}

/// RFC 3339, section 5.6, with a capital T and Z; digits beyond nanoseconds are cut off.
pub(super) fn parse_rfc3339(given: &[Value]) -> Result<Value> {
    let written = text(given, 0)?;
    let cut = form(written).ok_or_else(|| anyhow!("{written:?} is no time of RFC 3339"))?;
    nanoseconds(cut.parse()?)
}

/// The text with at most nine digits of a second, where it is of the form.
fn form(written: &str) -> Option<String> {
    const DATE_TIME: &str = "dddd-dd-ddTdd:dd:dd";
    let fits = |text: &str, form: &str| {
        let mut pairs = text.bytes().zip(form.bytes());
        text.len() == form.len()
            && pairs.all(|(b, f)| if f == b'd' { b.is_ascii_digit() } else { b == f })
    };
    let (head, rest) = written.split_at_checked(DATE_TIME.len())?;
    let rest = match rest.strip_prefix('.') {
        None => rest.to_owned(),
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            let kept = fraction.get(..digits.min(9)).filter(|kept| !kept.is_empty())?;
            format!(".{kept}{}", fraction.get(digits..)?)
        }
    };
    let zone = rest.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = |zone: &str| {
        let hours: Option<u8> = zone.get(1..3).and_then(|h| h.parse().ok());
        let minutes: Option<u8> = zone.get(4..6).and_then(|m| m.parse().ok());
        hours.is_some_and(|h| h < 24) && minutes.is_some_and(|m| m < 60)
    };
    let signed = (fits(zone, "+dd:dd") || fits(zone, "-dd:dd")) && offset(zone);
    let seconds: u8 = head.get(17..)?.parse().ok()?;
    let hours: u8 = head.get(11..13)?.parse().ok()?;
    let good = fits(head, DATE_TIME) && (zone == "Z" || signed) && seconds < 60 && hours < 24;
    good.then(|| format!("{head}{rest}"))
}
