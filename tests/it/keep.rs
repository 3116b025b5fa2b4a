//! Rebuilt images that are kept: `rebuild --keep` and `verify --keep`.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    layouts::{Layout, Parts},
    server::{Registry, World},
    support::{Hallmark, Lab, trusting},
};

#[test]
fn i10_nothing_but_a_layout_is_kept_in() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    fs::create_dir(&home).unwrap();
    fs::write(home.join("thesis.txt"), "three years").unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let keep = |place: &str| {
        let call = Hallmark::new(["rebuild", "--keep", place, &image, "-o", "json"]);
        call.config(&world.config("signed")).run()
    };
    let oci = |path: &Path| format!("oci:{}", path.display());
    let cases = [
        (oci(&home), "it is no OCI image layout"),
        (oci(&file), "Not a directory"),
        (format!("{}@sha256:{}", oci(&folder.path().join("new")), "0".repeat(64)), "takes oci:DIR"),
        ("registry.example/app:1".to_owned(), "takes oci:DIR"),
        (format!("oci-archive:{}", file.display()), "takes oci:DIR"),
    ];
    for (place, said) in cases {
        let answer = keep(&place);
        answer.exits(2).says(said);
        assert_eq!(answer.json()["error"]["kind"], "usage", "{}", answer.all());
    }
    assert!(registry.requests().is_empty(), "it is said before anybody is asked");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 1);
    // Of a rebuild that gives nothing, nothing is kept; a layout stays what it was.
    let layout = Layout::of(&Parts::new(&[("bin/app", b"x")]));
    let index = fs::read(layout.path().join("index.json")).unwrap();
    keep(&oci(layout.path())).exits(1);
    assert_eq!(fs::read(layout.path().join("index.json")).unwrap(), index);
    let new = folder.path().join("new");
    keep(&oci(&new)).exits(1);
    assert!(!new.exists());
    Hallmark::new(["rebuild", "--plan", "--keep", &oci(&new), &image]).run().exits(2);
}

#[test]
fn a_verdict_keeps_what_was_rebuilt_for_it_and_nothing_else() {
    let world = World::new();
    let registry = Registry::honest(world.store.clone());
    let image = registry.image(&world.image);
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new");
    let place = format!("oci:{}", new.display());
    let file = format!("oci-archive:{}", new.display());
    let cases: [(&[&str], &str); 5] = [
        (&["--rebuild", "--keep", &file, &image], "takes oci:DIR"),
        (&["--keep", &place, &image], "nothing asks for a rebuild"),
        (&["--no-rebuild", "--keep", &place, &image], "cannot be used with"),
        (&["--rebuild", "--keep", &place, &image, &image], "--keep is for one image"),
        (&["--rebuild", "--keep", &place, "-f", "/nowhere"], "/nowhere"),
    ];
    for (words, said) in cases {
        let call = Hallmark::new(["verify"].iter().chain(words).copied());
        call.config(&world.config("signed")).run().exits(2).says(said);
    }
    assert!(registry.requests().is_empty(), "it is said before anybody is asked");
    // Of an image that nothing can be rebuilt from, nothing is kept, and the verdict is what it is.
    let call = Hallmark::new(["verify", "--rebuild", "--keep", &place, &image]);
    call.config(&world.config("signed")).run().exits(1).says("rebuild-not-run");
    assert!(!new.exists());
}

/// Every platform has a tag of its own; the one that is named has the tag itself.
#[test]
fn a_verdict_keeps_the_image_that_it_was_made_with() {
    let test = "a_verdict_keeps_the_image_that_it_was_made_with";
    let Some(lab) = Lab::here(test) else { return };
    let folder = tempfile::tempdir().unwrap();
    let place = format!("oci:{}", folder.path().join("kept").display());
    let config = trusting(Path::new(lab.get("KEY_A")), "signed");
    let own = lab.hallmark(["verify", "--rebuild", lab.get("HONEST"), "--keep", &place]);
    own.config(&config).run().exits(0).says(&format!("kept in {place}:rebuilt-linux-amd64"));
    let named = format!("{place}:x");
    let one =
        ["verify", "--rebuild", lab.get("HONEST"), "--keep", &named, "--platform", "linux/amd64"];
    lab.hallmark(one).config(&config).run().exits(0).says(&format!("kept in {named}"));
    for kept in [format!("{place}:rebuilt-linux-amd64"), named] {
        let diff = lab.hallmark(["diff", lab.get("HONEST"), &kept, "-o", "json"]).config(&config);
        assert_eq!(diff.run().json()["level"], 5);
    }
}

/// The image that was compared is there, for hallmark and for others, under the digests that the report names.
#[test]
fn a_rebuilt_image_is_kept_as_others_read_it() {
    let Some(lab) = Lab::here("a_rebuilt_image_is_kept_as_others_read_it") else { return };
    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("kept");
    let place = format!("oci:{}", kept.display());
    let config = trusting(Path::new(lab.get("KEY_A")), "signed");
    for image in ["HONEST", "SWAPPED"] {
        let tag = image.to_lowercase();
        let to = format!("{place}:{tag}");
        let call = lab.hallmark(["rebuild", lab.get(image), "--keep", &to, "-o", "json"]);
        let answer = call.config(&config).run();
        answer.exits(i32::from(image == "SWAPPED")).says(&format!("kept in {to}"));
        let rebuild = &answer.json()["rebuild"];
        let level = if image == "SWAPPED" { 0 } else { 5 };
        assert_eq!(rebuild["level"], level, "{}", answer.all());
        let diff = lab.hallmark(["diff", lab.get(image), &to, "-o", "json"]).config(&config).run();
        assert_eq!(diff.json()["level"], level, "{}", diff.all());
        if image == "HONEST" {
            let index: Value =
                serde_json::from_slice(&fs::read(kept.join("index.json")).unwrap()).unwrap();
            assert_eq!(index["manifests"].as_array().unwrap().len(), 1, "{index:#}");
        }
        // Another program reads every blob of it.
        let copy = format!("dir:{}", folder.path().join(&tag).display());
        lab.tool("skopeo", &["--insecure-policy", "copy", "-q", &to, &copy]);
    }
    let index: Value = serde_json::from_slice(&fs::read(kept.join("index.json")).unwrap()).unwrap();
    assert_eq!(index["manifests"].as_array().unwrap().len(), 2, "{index:#}");
}
