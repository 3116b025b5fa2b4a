package hallmark.components_test

import data.hallmark.components

pad := {"ecosystem": "npm", "name": "left-pad", "version": "1.3.0", "purl": "pkg:npm/left-pad@1.3.0"}

zlib := {"ecosystem": "deb", "name": "zlib1g", "version": "1:1.2", "purl": "pkg:deb/debian/zlib1g@1%3A1.2?arch=amd64"}

given(packages, settings) := {
	"inventory": {"os": "debian", "packages": packages, "databases": [], "incomplete": []},
	"sboms": [],
	"settings": {"components": settings},
}

denied(document) := {result.code | some result in components.deny with input as document}

warned(document) := {result.code | some result in components.warn with input as document}

told(packages, settings) := [result.packages | some result in components.deny with input as given(packages, settings)]

test_asks_for_the_inventory if components.needs == {"inventory"}

test_without_lists_every_package_passes if {
	denied(given([pad, zlib], {})) == set()
	warned(given([pad, zlib], {})) == set()
}

test_packages_unknown if {
	denied({}) == {"packages-unknown"}
	denied({"inventory": null}) == {"packages-unknown"}
	broken := [{"path": "/var/lib/dpkg/status", "error": "it is not there"}, {"path": "/lib/apk/db", "error": null}]
	denied(object.union(given([], {}), {"inventory": {"databases": broken}})) == {"packages-unknown"}
	read := [{"path": "/lib/apk/db", "error": null}]
	denied(object.union(given([], {}), {"inventory": {"databases": read}})) == set()
	left := [{"path": "/app/package.json", "why": "it is too large", "files": 1}]
	denied(object.union(given([], {}), {"inventory": {"incomplete": left}})) == {"packages-unknown"}
}

test_distribution_unknown if {
	without := {"inventory": {"os": null}}
	warned(object.union(given([zlib], {}), without)) == {"distribution-unknown"}
	warned(object.union(given([pad], {}), without)) == set()
	every ecosystem in ["deb", "apk", "rpm"] {
		warned(object.union(given([{"ecosystem": ecosystem, "name": "a", "version": "1"}], {}), without)) == {"distribution-unknown"}
	}
}

test_component_denied if {
	denied(given([pad, zlib], {"deny": ["pkg:npm/left-pad@*"]})) == {"component-denied"}
	denied(given([zlib], {"deny": ["pkg:npm/left-pad@*"]})) == set()
	denied(given([pad], {"deny": ["pkg:npm/*@2.*"]})) == set()
	told([zlib], {"deny": ["pkg:deb/debian/zlib1g@*"]}) == [["pkg:deb/debian/zlib1g@1%3A1.2"]]
}

test_a_package_without_a_package_url_has_a_name_all_the_same if {
	nameless := object.union(pad, {"purl": null})
	denied(given([nameless], {"deny": ["pkg:npm/left-pad@1.3.0"]})) == {"component-denied"}
	denied(given([object.remove(pad, ["purl"])], {"deny": ["pkg:npm/left-pad@1.3.0"]})) == {"component-denied"}
	denied(given([object.remove(pad, ["purl", "version"])], {"deny": ["pkg:npm/left-pad@*"]})) == {"component-denied"}
	denied(given([object.remove(pad, ["purl", "version"])], {"deny": ["pkg:npm/left-pad@1*"]})) == set()
	scoped := {"ecosystem": "npm", "name": "@s/a", "version": "1/2", "purl": null}
	told([scoped], {"deny": ["pkg:npm/@s/a@*"]}) == [["pkg:npm/%40s/a@1%2F2"]]
}

test_a_component_of_no_type_is_denied_by_its_name_alone if {
	typeless := {"ecosystem": null, "name": "left-pad", "version": "1.3.0", "purl": null}
	told([typeless], {"deny": ["name:left-pad@*"]}) == [["name:left-pad@1.3.0"]]
	told([object.union(typeless, {"version": null})], {"deny": ["name:left-pad@*"]}) == [["name:left-pad"]]
	denied(given([typeless], {"deny": ["pkg:*/left-pad@*"]})) == set()
	denied(given([typeless], {"allow": ["pkg:**"]})) == {"component-not-allowed"}
	posing := object.union(typeless, {"name": "pkg:npm/left-pad"})
	denied(given([posing], {"allow": ["pkg:npm/**"]})) == {"component-not-allowed"}
}

test_patterns_are_read_as_package_urls_are if {
	every purl, patterns in {
		"pkg:npm/event-stream@3.3.6": ["pkg:NPM/event-stream@*", "pkg://npm/Event-Stream@3.3.6*", "PKG:npm//event-stream@**"],
		"pkg:npm/event-stream": ["pkg:npm/event-stream@*", "pkg:npm/event-stream@**"],
		"pkg:npm/%40scope/a@1": ["pkg:npm/@Scope/a@*", "pkg:npm/@scope/*@1", "pkg:npm/%40SCOPE/*", "pkg:npm/@*/a@1"],
		"pkg:composer/evil/lib@1.0.0": ["pkg:composer/Evil/Lib@*"],
		"pkg:nuget/newtonsoft.json@13": ["pkg:nuget/Newtonsoft.Json@1*"],
		"pkg:pypi/typing-extensions@4rc1": ["pkg:pypi/Typing_Extensions@4RC*", "pkg:pypi/typing.*@*"],
		"pkg:deb/debian/libstdc%2B%2B6@1:2": ["pkg:deb/Debian/libstdc++6@1:*", "pkg:deb/*/libstdc%2B%2B6@1%3A2", "pkg:deb/*/libstdc%2b%2b6@*"],
		"pkg:rpm/fedora/ImageMagick@1": ["pkg:rpm/Fedora/ImageMagick@*", "pkg:rpm/*/Image*"],
		"pkg:maven/Org.A/B@1-SNAPSHOT": ["pkg:Maven/Org.A/B@*SNAPSHOT"],
		"pkg:pub/a_b@1": ["pkg:pub/A-b@*"],
		"pkg:qpkg/acme/Tool@1": ["pkg:qpkg/Acme/Tool@*"],
		"pkg:yocto/meta/Tool@1": ["pkg:yocto/Meta/Tool@*"],
		"pkg:huggingface/a/B@ab12": ["pkg:huggingface/a/B@AB12"],
		"pkg:oci/a@sha256:ab": ["pkg:oci/A@SHA256:AB"],
		"pkg:vscode-extension/a/b@1rc": ["pkg:vscode-extension/A/B@1RC"],
		"pkg:deb/debian/x@1:2": ["pkg:deb/debian/x@1%3a2"],
		"pkg:gem/Ascii85@1": ["pkg:{gem,npm}/Ascii85@*", "pkg:*/Ascii85@1"],
	} {
		every pattern in patterns {
			told([{"ecosystem": "x", "name": "x", "version": "1", "purl": purl}], {"deny": [pattern]}) == [[purl]]
			denied(given([{"ecosystem": "x", "name": "x", "version": "1", "purl": purl}], {"allow": [pattern]})) == set()
		}
	}
	every purl, pattern in {
		"pkg:maven/Org.A/B@1": "pkg:maven/org.a/B@*",
		"pkg:rpm/fedora/ImageMagick@1": "pkg:rpm/fedora/imagemagick@*",
		"pkg:npm/a@1-RC": "pkg:npm/a@1-rc",
		"pkg:npm/a": "pkg:npm/a@1*",
		"pkg:npm/ab@1": "pkg:npm/a@*",
	} {
		denied(given([{"ecosystem": "x", "name": "x", "version": "1", "purl": purl}], {"deny": [pattern]})) == set()
	}
}

test_patterns_that_begin_otherwise_are_taken_as_they_are if {
	every purl, pattern in {
		"pkg:gem/x@1": "name:gem/x@*",
		"pkg:generic/a%2Bb@1": "pkg:*/a+b@*",
		"pkg:npm/ab@1": "pkg:n*/AB@1",
	} {
		denied(given([{"ecosystem": "x", "name": "x", "version": "1", "purl": purl}], {"deny": [pattern]})) == set()
	}
}

told_of(sboms) := {result.msg | some result in components.deny with input as object.union(given([], {}), {"sboms": sboms})}

test_a_package_url_that_cannot_be_read_is_told if {
	sbom := {"state": "proven", "document": "sha256:dd", "components": [], "unreadable": ["event-stream"]}
	told_of([sbom]) == {"1 package URL cannot be read in one way alone, in the SBOM sha256:dd: event-stream"}
	several := object.union(sbom, {"unreadable": ["a", "b"]})
	told_of([several]) == {"2 package URLs cannot be read in one way alone, in the SBOM sha256:dd: a, b"}
	told_of([object.union(sbom, {"state": "unproven"})]) == set()
	told_of([object.union(sbom, {"unreadable": []})]) == set()
}

test_a_slash_in_a_version_hides_nothing if {
	openssl := {"ecosystem": "deb", "name": "openssl", "version": "3.0.2-1/x"}
	every one in [
		openssl,
		object.union(openssl, {"purl": "pkg:deb/debian/openssl@3.0.2-1/x?arch=amd64"}),
		object.union(openssl, {"purl": "pkg:deb/debian/openssl@3.0.2-1%2Fx"}),
	] {
		denied(given([one], {"deny": ["pkg:deb/openssl@3.*", "pkg:deb/debian/openssl@3.*"]})) == {"component-denied"}
	}
	scoped := {"ecosystem": "npm", "name": "@s/a", "version": "1/2", "purl": "pkg:npm/@s/a@1/2"}
	denied(given([scoped], {"deny": ["pkg:npm/@s/a@1*"]})) == {"component-denied"}
	told([object.union(scoped, {"purl": "pkg:npm/@s/a"})], {"deny": ["pkg:npm/@s/a"]}) == [["pkg:npm/@s/a"]]
}

listed(state, scope) := object.union(given([], {"deny": ["pkg:npm/**"]}), {"sboms": [{
	"state": state,
	"components": [object.union(pad, {"scope": scope})],
}]})

test_what_a_trusted_sbom_lists_counts if {
	denied(listed("proven", "runtime")) == {"component-denied"}
	denied(listed("proven", "development")) == set()
	denied(listed("unproven", "runtime")) == set()
}

test_component_not_allowed if {
	denied(given([pad, zlib], {"allow": ["pkg:deb/**"]})) == {"component-not-allowed"}
	denied(given([pad, zlib], {"allow": ["pkg:deb/**", "pkg:npm/left-pad@1.3.0"]})) == set()
	denied(given([pad], {"allow": []})) == set()
	told([pad, zlib], {"allow": ["pkg:deb/**"]}) == [["pkg:npm/left-pad@1.3.0"]]
}

from(place) := object.union(pad, {"purl": concat("", ["pkg:npm/left-pad@1.3.0?", place, "#src"])})

test_component_source if {
	sources := {"sources": ["https://npm.example/*"]}
	denied(given([pad, zlib], sources)) == set()
	denied(given([from("repository_url=https%3A%2F%2Fnpm.example%2Fteam")], sources)) == set()
	every qualifier in ["repository_url", "download_url", "vcs_url"] {
		denied(given([from(sprintf("arch=x&%s=https://other.example/x?a=b", [qualifier]))], sources)) == {"component-source"}
	}
	denied(given([from("arch=https://other.example")], sources)) == set()
	denied(given([from("repository_url=https://other.example")], {})) == set()
	told([from("vcs_url=git%2Bhttps://other.example/x?a=b")], sources) == [["pkg:npm/left-pad@1.3.0 from git+https://other.example/x?a=b"]]
}

test_many_names_are_cut if {
	packages := [{"ecosystem": "npm", "name": sprintf("p%d", [n]), "version": "1"} | some n in numbers.range(1, 11)]
	some result in components.deny with input as given(packages, {"deny": ["pkg:npm/**"]})
	contains(result.msg, "11 packages are denied by settings.components.deny: pkg:npm/p10@1, pkg:npm/p11@1, pkg:npm/p1@1")
	endswith(result.msg, "pkg:npm/p8@1 and 1 more")
	some other in components.deny with input as given(array.slice(packages, 0, 10), {"deny": ["pkg:npm/**"]})
	contains(other.msg, "pkg:npm/p10@1, pkg:npm/p1@1, pkg:npm/p2@1")
	endswith(other.msg, "pkg:npm/p9@1")
}

test_a_package_without_a_package_url_comes_from_no_place if {
	denied(given([object.union(pad, {"purl": null})], {"sources": ["https://npm.example/*"]})) == set()
}

test_counts_have_their_noun if {
	components.counted(1, "file is", "files are") == "1 file is"
	components.counted(0, "file is", "files are") == "0 files are"
	components.counted(2, "file is", "files are") == "2 files are"
}

test_one_file_that_was_not_read_is_named_and_several_are_not if {
	one := {"path": "/app/package.json", "why": "it is too large", "files": 1}
	named := {result.files | some result in components.deny with input as {"inventory": {"packages": [], "incomplete": [one]}}}
	named == {["/app/package.json"]}
	several := object.union(one, {"files": 2})
	unnamed := {result.files | some result in components.deny with input as {"inventory": {"packages": [], "incomplete": [several]}}}
	unnamed == {[]}
}

indexed(names, places, settings) := object.union(given([], settings), {"inventory": {"index": {
	"names": names,
	"ecosystems": {},
	"licences": [],
	"places": places,
}}})

names_told(document) := [result.packages | some result in components.deny with input as document]

test_names_of_an_index_are_matched_as_those_of_packages if {
	names := {
		"pkg:npm/": ["pkg:npm/left-pad@1.3.0", "pkg:npm/right-pad@1.0.0"],
		"pkg:deb/debian/": ["pkg:deb/debian/zlib1g@1%3A1.2"],
	}
	every settings, told_names in {
		`{"deny": ["pkg:npm/left-pad@*"]}`: [["pkg:npm/left-pad@1.3.0"]],
		`{"deny": ["**/zlib1g@*"]}`: [["pkg:deb/debian/zlib1g@1%3A1.2"]],
		`{"deny": ["pkg:npm/[kl]eft-pad@*", "pkg:gem/**"]}`: [["pkg:npm/left-pad@1.3.0"]],
		`{"deny": ["pkg:{npm,gem}/right*"]}`: [["pkg:npm/right-pad@1.0.0"]],
		`{"deny": ["pkg:npm/left-pad@2*", "pkg:deb/*"]}`: [],
		`{"deny": []}`: [],
		`{"allow": ["pkg:deb/**", "pkg:npm/*"]}`: [],
		`{"allow": ["pkg:*/*", "pkg:deb/debian/*"]}`: [],
		`{"allow": ["pkg:deb/**", "pkg:npm/left-pad@*"]}`: [["pkg:npm/right-pad@1.0.0"]],
		`{"allow": ["pkg:deb/*", "pkg:npm/**"]}`: [["pkg:deb/debian/zlib1g@1%3A1.2"]],
		`{"allow": ["pkg:deb/debian/", "pkg:npm/**"]}`: [["pkg:deb/debian/zlib1g@1%3A1.2"]],
		`{"allow": ["pkg:deb/debian/\\*", "pkg:npm/**"]}`: [["pkg:deb/debian/zlib1g@1%3A1.2"]],
		`{"allow": []}`: [],
	} {
		names_told(indexed(names, [], json.unmarshal(settings))) == told_names
	}
}

test_packages_beside_an_index_are_not_asked_again if {
	document := object.union(given([pad], {"deny": ["pkg:npm/**"], "sources": ["-"]}), {"inventory": {"index": {"names": {}}}})
	denied(document) == set()
	located := object.union(document, {"inventory": {"packages": [from("vcs_url=x")]}})
	denied(located) == set()
	none := object.union(document, {"inventory": {"os": null, "packages": [zlib]}})
	warned(none) == set()
	warned(object.union(none, {"inventory": {"index": {"ecosystems": {"apk": 2, "npm": 1}}}})) == {"distribution-unknown"}
	warned(object.union(none, {"inventory": {"index": {"ecosystems": {"npm": 1}}}})) == set()
}

test_names_that_a_trusted_sbom_adds_count if {
	every state, codes in {"proven": {"component-denied"}, "unproven": set()} {
		sbom := {"state": state, "components": [], "names": {"pkg:npm/": ["pkg:npm/left-pad@1.3.0"]}}
		denied(object.union(indexed({}, [], {"deny": ["pkg:npm/**"]}), {"sboms": [sbom]})) == codes
	}
	named := {"state": "proven", "components": [object.union(pad, {"scope": "runtime"})], "names": {}}
	denied(object.union(indexed({}, [], {"deny": ["pkg:npm/**"]}), {"sboms": [named]})) == set()
}

test_places_of_an_index_are_decoded if {
	places := [{"package": "pkg:npm/left-pad@1.3.0", "place": "git%2Bhttps://other.example/x"}]
	told_places := names_told(indexed({}, places, {"sources": ["https://npm.example/*"]}))
	told_places == [["pkg:npm/left-pad@1.3.0 from git+https://other.example/x"]]
	denied(indexed({}, places, {"sources": ["git+https://other.example/*"]})) == set()
}
