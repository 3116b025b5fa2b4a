package hallmark.binding_test

import data.hallmark.binding

image := {"digest": "sha256:aa", "manifest": "sha256:bb", "digests": ["sha256:aa", "sha256:bb", "sha256:cc"], "notJudged": []}

component(name, version) := {"ecosystem": "deb", "name": name, "version": version}

sbom(names, components) := {"state": "proven", "about": "image", "document": "sha256:dd", "namesImage": names, "components": components}

given(sboms) := {
	"image": image,
	"provenance": {"state": "proven", "basis": "signed"},
	"sboms": sboms,
	"findings": [],
}

denied(document) := {result.code | some result in binding.deny with input as document}

warned(document) := {result.code | some result in binding.warn with input as document}

test_what_is_about_this_image_passes if {
	denied(given([])) == set()
	denied(given([sbom([], []), sbom(["sha256:ee", "sha256:bb"], [])])) == set()
	warned(given([])) == set()
}

test_image_unnamed if {
	every gone in ["digest", "manifest", "digests"] {
		denied(object.union(object.remove(given([]), ["image"]), {"image": object.remove(image, [gone])})) == {"image-unnamed"}
	}
	denied(object.union(given([]), {"image": {"digests": []}})) == {"image-unnamed"}
}

test_nothing_known_is_denied if denied({}) == {"image-unnamed", "provenance-unbound"}

test_sbom_names_other if {
	denied(given([sbom(["sha256:ee"], [])])) == {"sbom-names-other"}
	denied(given([object.union(sbom(["sha256:ee"], []), {"about": "package"})])) == set()
	denied(given([object.union(sbom(["sha256:ee"], []), {"state": "unproven"})])) == set()
}

test_provenance_unbound if {
	every basis in ["signed", "covered-by-index", "covered-by-image"] {
		denied(object.union(given([]), {"provenance": {"basis": basis}})) == set()
	}
	denied(object.union(given([]), {"provenance": {"basis": null}})) == {"provenance-unbound"}
	denied(object.union(given([]), {"provenance": {"state": "missing", "basis": null}})) == set()
	denied(object.union(given([]), {"provenance": null})) == {"provenance-unbound"}
}

test_provenance_contradicts if {
	conflict := {"code": "provenance-conflict", "subject": "r.example/app", "facts": {"why": "two commits"}}
	document := object.union(given([]), {"findings": [conflict]})
	denied(document) == {"provenance-contradicts"}
	some result in binding.deny with input as document
	endswith(result.msg, "two commits")
	denied(object.union(given([]), {"findings": [{"code": "other", "subject": "r.example/app"}]})) == set()
}

two(left, right) := denied(given([sbom([], left), sbom([], right)]))

test_sbom_contradicts if {
	two([component("a", "1")], [component("a", "2")]) == {"sbom-contradicts"}
	two([component("a", "1")], [component("a", "1")]) == set()
	two([component("a", "1")], [component("b", "2")]) == set()
	two([component("a", "1")], [object.union(component("a", "2"), {"ecosystem": "rpm"})]) == set()
	two([object.union(component("a", "1"), {"ecosystem": null})], [object.union(component("a", "2"), {"ecosystem": null})]) == set()
	two([component("a", "1"), component("a", "2")], [component("a", "2")]) == set()
	two([component("a", "1")], [component("a", "1"), component("a", "2")]) == set()
	two([component("a", null)], [component("a", "2")]) == set()
	two([component("a", "1"), component("b", "1")], [component("a", "1"), component("b", "2")]) == {"sbom-contradicts"}
	some result in binding.deny with input as given([sbom([], [component("a", "1")]), sbom([], [component("a", "2")])])
	result.packages == ["deb/a (1, 2)"]
}

test_sboms_of_parts_do_not_contradict_that_of_the_image if {
	part := object.union(sbom([], [component("a", "2")]), {"about": "build"})
	denied(given([sbom([], [component("a", "1")]), part])) == set()
	denied(given([part, sbom([], [component("a", "1")])])) == set()
}

test_platform_not_judged if {
	others := [{"platform": "linux/arm64", "manifest": "sha256:11"}, {"platform": null, "manifest": "sha256:22"}, {"manifest": "sha256:33"}]
	document := object.union(given([]), {"image": {"notJudged": others}})
	warned(document) == {"platform-not-judged"}
	denied(document) == set()
	some result in binding.warn with input as document
	result.platforms == ["linux/arm64", "sha256:22", "sha256:33"]
}

test_many_names_are_cut if {
	many := [{"platform": null, "manifest": sprintf("sha256:%d", [n])} | some n in numbers.range(1, 11)]
	some result in binding.warn with input as object.union(given([]), {"image": {"notJudged": many}})
	contains(result.msg, "11 images of other platforms are not judged: sha256:1, sha256:10, sha256:11")
	endswith(result.msg, "sha256:8 and 1 more")
	some other in binding.warn with input as object.union(given([]), {"image": {"notJudged": array.slice(many, 0, 10)}})
	contains(other.msg, "sha256:1, sha256:10, sha256:2")
	endswith(other.msg, "sha256:9")
}

test_one_digest_is_enough_to_name_the_image if {
	denied(object.union(given([]), {"image": {"digests": ["sha256:bb"]}})) == set()
}

test_one_platform_is_told if {
	one := [{"platform": "linux/arm64", "manifest": "sha256:11"}]
	warned(object.union(given([]), {"image": {"notJudged": one}})) == {"platform-not-judged"}
}

test_packages_of_two_ecosystems_are_not_mixed if {
	left := [component("a", "1"), object.union(component("a", "2"), {"ecosystem": "rpm"})]
	two(left, [component("a", "3")]) == {"sbom-contradicts"}
}

test_counts_have_their_noun if {
	binding.counted(1, "file is", "files are") == "1 file is"
	binding.counted(0, "file is", "files are") == "0 files are"
	binding.counted(2, "file is", "files are") == "2 files are"
}
