package hallmark.layout_test

import data.hallmark.layout

denied(document) := {result.code | some result in layout.deny with input as document}

test_an_image_without_layouts_passes if denied({"layouts": []}) == set()

test_a_proven_layout_passes if denied({"layouts": [{"name": "app", "state": "proven"}]}) == set()

test_layout_unproven if {
	every state in ["unproven", "missing", "something new"] {
		given := {"layouts": [{"name": "a", "state": "proven"}, {"name": "b", "state": state, "why": "layout-expired"}]}
		denied(given) == {"layout-unproven"}
		some result in layout.deny with input as given
		result.layout == "b"
	}
}

test_layout_unproven_where_fields_are_missing if {
	denied({}) == {"layout-unproven"}
	denied({"layouts": [{}]}) == {"layout-unproven"}
	denied({"layouts": null}) == {"layout-unproven"}
}
