package hallmark.ownership_test

import data.hallmark.ownership

stray(path, class, side) := {"path": path, "class": class, "side": side, "layer": 1, "owner": {"name": "a"}}

contents(strays) := {"baseLayers": null, "files": {"strays": strays, "more": 0}, "hidden": []}

codes(given) := {result.code | some result in ownership.deny with input as given}

settings := {"ownership": {"unowned": ["/srv/app", "/opt/own/"]}}

test_an_unowned_program_of_the_own_layers_is_denied if {
	some side in ["own", "unknown"]
	codes({"settings": {}, "contents": contents([stray("/x", "unowned", side)])}) == {"contents-file-unowned"}
}

test_one_of_the_base_is_not if {
	codes({"settings": {}, "contents": contents([stray("/x", "unowned", "base")])}) == set()
}

test_places_may_hold_some if {
	codes({"settings": settings, "contents": contents([stray("/srv/app", "unowned", "own")])}) == set()
	codes({"settings": settings, "contents": contents([stray("/opt/own/a", "unowned", "own")])}) == set()
	codes({"settings": settings, "contents": contents([stray("/srv/app2", "unowned", "own")])}) == {"contents-file-unowned"}
	codes({"settings": settings, "contents": contents([stray("/opt/own", "unowned", "own")])}) == {"contents-file-unowned"}
}

test_a_modified_program_is_denied_wherever_it_may_be if {
	codes({"settings": settings, "contents": contents([stray("/srv/app", "modified", "own")])}) == {"contents-file-modified"}
}

test_a_hidden_package_is_denied if {
	one := {"ecosystem": "deb", "name": "a", "evidence": "/x"}
	codes({"settings": {}, "contents": object.union(contents([]), {"hidden": [one]})}) == {"contents-package-hidden"}
}

test_more_than_are_named_are_denied_unless_they_are_the_bases if {
	more := {"baseLayers": null, "files": {"strays": [stray("/x", "unowned", "base")], "more": 1}, "hidden": []}
	codes({"settings": {}, "contents": more}) == {"contents-files-unnamed"}
	codes({"settings": {}, "contents": object.union(more, {"baseLayers": 2})}) == set()
	codes({"settings": {}, "contents": object.union(more, {"baseLayers": 1})}) == {"contents-files-unnamed"}
}

test_nothing_known_is_denied if {
	codes({"settings": {}}) == {"contents-unknown"}
	codes({"settings": {}, "contents": null}) == {"contents-unknown"}
}

test_an_honest_image_is_not_denied if {
	codes({"settings": {}, "contents": contents([])}) == set()
}
