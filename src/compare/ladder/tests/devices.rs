//! Device nodes that one side lacks: row G25 of `docs/attacks.md`.

use super::*;

fn node(path: &'static str, minor: &'static str) -> Item {
    special(path, EntryType::Char, minor)
}

#[test]
fn g25_only_what_a_builder_may_have_left_out_is_told_as_that() {
    let twin = |change: fn(&mut Recipe)| with(change);
    let missing = |published: &Recipe, rebuilt: &Recipe| -> Vec<String> {
        let found = run(published, rebuilt).unwrap();
        assert_eq!(found.level, Level::Different, "{found:#?}");
        let nodes = found.lacks_only_devices().into_iter();
        nodes
            .map(|missing| format!("{} {} {}", missing.layer, missing.path, missing.node))
            .collect()
    };
    let null = twin(|r| r.layers[1].push(node("null", "3")));
    assert_eq!(missing(&null, &base()), ["1 /null character device 1:3"]);
    let more = twin(|r| {
        r.layers[1].push(node("null", "3"));
        r.layers.push(vec![special("disk", EntryType::Block, "9")]);
    });
    assert_eq!(
        missing(&more, &base()),
        ["1 /null character device 1:3", "2 /disk block device 1:9"]
    );
    let nothing: [(&str, Recipe, Recipe); 5] = [
        ("it is the rebuild that has it", base(), null.clone()),
        ("another device", null, twin(|r| r.layers[1].push(node("null", "1")))),
        ("a file in its place", twin(|r| r.layers[1][0] = node("app", "3")), base()),
        (
            "something else differs, too",
            twin(|r| {
                r.layers[1].push(node("null", "3"));
                r.layers[1].push(file("other", ""));
            }),
            base(),
        ),
        (
            "a setting differs, too",
            twin(|r| {
                r.layers[1].push(node("null", "3"));
                r.config["config"]["User"] = json!("root");
            }),
            base(),
        ),
    ];
    for (why, published, rebuilt) in &nothing {
        assert_eq!(missing(published, rebuilt), [""; 0], "{why}");
    }
}

#[test]
fn g25_the_nodes_of_all_layers_are_found_hidden_ones_too() {
    let image = with(|r| {
        r.layers[0].push(node("etc/null", "3"));
        r.layers[1].push(file("etc/.wh.null", ""));
        r.layers[1].push(special("disk", EntryType::Block, "9"));
    });
    let found = crate::compare::held(image.build().side(), &Limits::default()).unwrap();
    let found: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["character device 1:3", "block device 1:9"]);
    let none = crate::compare::held(base().build().side(), &Limits::default()).unwrap();
    assert!(none.is_empty());
}
