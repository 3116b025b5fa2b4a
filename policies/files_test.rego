package hallmark.files_test

import data.hallmark.files

clean := {
	"setIds": [], "capabilities": [], "worldWritable": [], "devices": [], "programs": [],
	"size": {"compressed": 100}, "leftOut": [],
}

given(facts, settings) := {
	"inventory": {"facts": object.union(clean, facts)},
	"settings": {"files": settings},
}

denied(facts, settings) := {result.code | some result in files.deny with input as given(facts, settings)}

test_asks_for_the_inventory if files.needs == {"inventory"}

test_a_clean_tree_passes if {
	denied({}, {}) == set()
	count(files.deny) == 0 with input as {"inventory": {"facts": clean}}
}

su := {"setIds": [{"path": "/bin/su", "layer": 0}]}

test_file_set_id if {
	denied(su, {}) == {"file-set-id"}
	denied(su, {"privileged": ["/bin/other"]}) == {"file-set-id"}
	denied(su, {"privileged": ["/bin/su"]}) == set()
}

ping := {"capabilities": [{"path": "/bin/ping", "permitted": ["CAP_NET_RAW"]}]}

test_file_capability if {
	denied(ping, {}) == {"file-capability"}
	denied(ping, {"privileged": ["/bin/ping"]}) == set()
}

test_file_world_writable if denied({"worldWritable": [{"path": "/etc/run"}]}, {}) == {"file-world-writable"}

test_file_device if denied({"devices": [{"path": "/dev/sda"}]}, {}) == {"file-device"}

tool(class) := {"programs": [{"path": "/bin/x", "class": class}]}

test_tool_present if {
	denied(tool("package-manager"), {}) == {"tool-present"}
	denied(tool("compiler"), {}) == {"tool-present"}
	denied(tool("debugger"), {}) == {"tool-present"}
	denied(tool("shell"), {}) == set()
	denied(tool("shell"), {"tools": ["shell"]}) == {"tool-present"}
	denied(tool("compiler"), {"tools": []}) == set()
}

said(programs) := {result.files | some result in files.deny with input as given({"programs": programs}, {})}

# The database that lists a package is no tool, and one program is one tool.
test_tool_present_names_tools if {
	by_path := {"path": "/usr/bin/apt", "class": "package-manager", "name": "apt", "by": "path"}
	by_package := {"path": "/var/lib/dpkg/status", "class": "package-manager", "name": "apt", "by": "package"}
	said([by_path, by_package]) == {["/usr/bin/apt (package-manager)"]}
	said([by_package]) == {["package apt (package-manager)"]}
}

# A package is listed beside a program of another class, and of another name.
test_tool_present_names_a_package_beside_other_programs if {
	by_package := {"path": "/var/lib/dpkg/status", "class": "package-manager", "name": "apt", "by": "package"}
	of_class := {"path": "/usr/bin/apt", "class": "compiler", "name": "apt", "by": "path"}
	said([of_class, by_package]) == {["/usr/bin/apt (compiler)", "package apt (package-manager)"]}
	of_name := {"path": "/usr/bin/dpkg", "class": "package-manager", "name": "dpkg", "by": "path"}
	said([of_name, by_package]) == {["/usr/bin/dpkg (package-manager)", "package apt (package-manager)"]}
}

test_image_too_large if {
	denied({}, {"maxBytes": 99}) == {"image-too-large"}
	denied({}, {"maxBytes": 100}) == set()
	denied({}, {"maxBytes": 0}) == set()
}

test_facts_incomplete_where_layers_were_not_read if {
	{result.code | some result in files.deny with input as {}} == {"facts-incomplete"}
	{result.code | some result in files.deny with input as {"inventory": {"facts": null}}} == {"facts-incomplete"}
}

test_facts_incomplete_where_a_bound_cut_a_list if {
	denied({"leftOut": [{"list": "setIds", "count": 3}]}, {}) == {"facts-incomplete"}
}

nodes(most) := {"devices": [{"path": sprintf("/f%d", [n])} | some n in numbers.range(1, most)]}

test_many_names_are_cut if {
	some result in files.deny with input as given(nodes(11), {})
	result.msg == "11 device nodes are in the layers: /f1, /f10, /f11, /f2, /f3, /f4, /f5, /f6, /f7, /f8 and 1 more"
	some other in files.deny with input as given(nodes(10), {})
	other.msg == "10 device nodes are in the layers: /f1, /f10, /f2, /f3, /f4, /f5, /f6, /f7, /f8, /f9"
}

everything := {
	"setIds": [{"path": "/a"}], "capabilities": [{"path": "/a"}], "worldWritable": [{"path": "/a"}], "devices": [{"path": "/a"}],
	"programs": [{"path": "/a", "class": "compiler"}],
}

all_codes := {"file-set-id", "file-capability", "file-world-writable", "file-device", "tool-present"}

# Everything lies in a layer of an image whose first two layers are those of a base.
lying(layer) := {
	"image": {"baseLayers": 2},
	"inventory": {"facts": object.union(clean, {list: moved |
		some list, entries in everything
		moved := [object.union(entry, {"layer": layer}) | some entry in entries]
	})},
}

by_side(document) := {[result.code, result.side] | some result in files.deny with input as document}

test_base_and_own_layers_are_told_apart if {
	every layer in [0, 1] {
		by_side(lying(layer)) == {[code, "base"] | some code in all_codes}
	}
	every layer in [2, 3, null] {
		by_side(lying(layer)) == {[code, "own"] | some code in all_codes}
	}
}

test_without_a_known_base_all_layers_are_own if {
	by_side(object.union(lying(0), {"image": {"baseLayers": null}})) == {[code, "own"] | some code in all_codes}
	by_side(object.remove(lying(0), ["image"])) == {[code, "own"] | some code in all_codes}
}

test_each_side_has_a_denial_of_its_own if {
	mixed := {"devices": [{"path": "/a", "layer": 0}, {"path": "/b", "layer": 2}]}
	document := object.union(given(mixed, {}), {"image": {"baseLayers": 2}})
	{[result.side, result.files] | some result in files.deny with input as document} == {["base", ["/a"]], ["own", ["/b"]]}
}

sized(layers, number, settings) := {result.code |
	some result in files.deny with input as object.union(given({"size": {"compressed": 1, "files": number}}, settings), {"image": {"layers": layers}})
}

test_image_layers_many if {
	sized(3, 1, {"maxLayers": 2}) == {"image-layers-many"}
	sized(2, 1, {"maxLayers": 2}) == set()
	sized(2, 1, {"maxLayers": 1}) == {"image-layers-many"}
	sized(3, 1, {"maxLayers": 0}) == set()
	sized(3, 1, {}) == set()
}

test_image_files_many if {
	sized(1, 3, {"maxFiles": 2}) == {"image-files-many"}
	sized(1, 2, {"maxFiles": 2}) == set()
	sized(1, 2, {"maxFiles": 1}) == {"image-files-many"}
	sized(1, 3, {"maxFiles": 0}) == set()
	sized(1, 3, {}) == set()
}

test_the_least_bound_of_bytes_is_one if denied({}, {"maxBytes": 1}) == {"image-too-large"}

test_facts_incomplete_where_a_list_is_not_there if {
	every list in ["setIds", "leftOut"] {
		{result.code | some result in files.deny with input as {"inventory": {"facts": object.remove(clean, [list])}}} == {"facts-incomplete"}
	}
}

test_counts_have_their_noun if {
	files.counted(1, "file is", "files are") == "1 file is"
	files.counted(0, "file is", "files are") == "0 files are"
	files.counted(2, "file is", "files are") == "2 files are"
}
