//! Values of configurations and annotations as reports show them: without secrets, and cut.
//!
//! What is compared is the whole value, as the image has it; here is only what people and programs are told of it. Whoever reads a
//! report need not be one of those who may pull the image.

use serde_json::Value;

use super::{SideValue, content::cut};
use crate::contents::secrets::{shown_json, shown_named, shown_text, shown_texts};

/// Elements of a list and keys of an object that are looked at where it is shown as one: more of it is cut off.
const SHOWN: usize = 200;
/// Equal characters that two values may begin with and are shown from their beginning.
const MOST_BEFORE: usize = 120;
/// Equal characters that are shown before the first difference of others.
const BEFORE: usize = 40;

/// The value of this key.
pub(super) fn side(key: &str, value: &Value) -> SideValue {
    SideValue::Text(cut(&whole(key, value)))
}

/// Two values of this key that differ: where they are too long to be shown whole, what is around the first difference.
pub(super) fn sides(key: &str, sides: [Option<&Value>; 2]) -> [Option<SideValue>; 2] {
    let [Some(left), Some(right)] = sides else {
        return sides.map(|side| side.map(|value| self::side(key, value)));
    };
    // Nothing of a secret is left that could be cut in two.
    let [left, right] = [left, right].map(|value| shown_text(&whole(key, value)).to_string());
    let equal = left.chars().zip(right.chars()).take_while(|(a, b)| a == b).count();
    let from = match equal {
        few if few < MOST_BEFORE => 0,
        many => many.saturating_sub(BEFORE),
    };
    [left, right].map(|text| {
        let rest: String = text.chars().skip(from).collect();
        let begins = if from > 0 { "…" } else { "" };
        Some(SideValue::Text(cut(&format!("{begins}{rest}"))))
    })
}

/// A value without secrets.
fn whole(key: &str, value: &Value) -> String {
    match shown_json(key, value, SHOWN) {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

/// An annotation, or another text with a name.
pub(super) fn text(key: &str, text: &str) -> SideValue {
    SideValue::Text(cut(&shown_named(key, text)))
}

/// The elements of a list under this key: in a command, a word may tell that the next one is a secret.
pub(super) fn elements(key: &str, list: &[Value]) -> Vec<Value> {
    shown_texts(key, list).unwrap_or_else(|| list.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn long_values_are_shown_around_their_first_difference() {
        let history =
            |last: &str| json!([{ "created_by": "x".repeat(500) }, { "created_by": last }]);
        let told = |left: &Value, right: &Value| {
            sides("history", [Some(left), Some(right)]).map(|side| side.unwrap().to_string())
        };
        let [left, right] = told(&history("RUN make"), &history("RUN fake"));
        assert!(left.starts_with('…') && left.contains("RUN make"), "{left}");
        assert!(right.starts_with('…') && right.contains("RUN fake"), "{right}");
        assert!(left.chars().count() < 250, "{left}");
        // What differs early is shown from its beginning, and a secret at the cut is none.
        let [left, right] = told(&json!("abc"), &json!("abd"));
        assert_eq!((left.as_str(), right.as_str()), ("abc", "abd"));
        let token = |end: &str| json!(format!("{} TOKEN=s9df8sdf9s8df {end}", "x".repeat(150)));
        for text in told(&token("a"), &token("b")) {
            assert!(!text.contains("s9df"), "{text}");
        }
        let one = json!("only");
        assert_eq!(sides("User", [None, Some(&one)])[1], Some(side("User", &one)));
    }

    #[test]
    fn g26_values_are_shown_without_their_secrets() {
        for (key, value, want) in [
            ("Env", json!(["A=1", "PGPASSWORD=s9df8sdf"]), r#"["A=1","PGPASSWORD=[secret]"]"#),
            ("env", json!(["PGPASSWORD=s9df8sdf"]), r#"["PGPASSWORD=[secret]"]"#),
            ("Env", json!(["K=-----BEGIN PRIVATE KEY-----\nMIIs9df8sdf"]), r#"["K=[secret]"]"#),
            ("Cmd", json!(["/app", "--password", "s9df8sdf"]), r#"["/app","[secret]","[secret]"]"#),
            ("db.password", json!("s9df8sdf"), "[secret]"),
            ("created_by", json!("ENV PGPASSWORD=s9df8sdf"), "ENV PGPASSWORD=[secret]"),
            (
                "Labels",
                json!({"a": "b", "api-key": "s9df8sdf"}),
                r#"{"a":"b","api-key":"[secret]"}"#,
            ),
            (
                "history",
                json!([{"created_by": "ARG TOKEN=s9df8sdf"}]),
                r#"[{"created_by":"ARG TOKEN=[secret]"}]"#,
            ),
            ("url", json!("postgres://app:s9df8sdf@db/app"), "[secret]"),
            ("User", json!("postgres://app:s9df8sdf@db/app"), "[secret]"),
            ("Labels", json!({"API_KEY=s9df8sdf": "b"}), r#"{"API_KEY=[secret]":"b"}"#),
            ("User", json!("1000:1000"), "1000:1000"),
            ("Volumes", json!({"/data": {}}), r#"{"/data":{}}"#),
            ("size", json!(3), "3"),
        ] {
            assert_eq!(side(key, &value).to_string(), want);
        }
        let words = [json!("/app"), json!("--password"), json!("s9df8sdf")];
        assert_eq!(elements("Cmd", &words)[2], json!("[secret]"));
        assert_eq!(elements("history", &[json!({"a": 1})]), [json!({"a": 1})]);
        assert_eq!(text("org.example.token", "s9df8sdf").to_string(), "[secret]");
    }
}
