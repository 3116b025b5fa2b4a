# Where a configured signer vouches for an SBOM, it says what is in the image.
package hallmark.sbom_agrees

needs contains "inventory"

# A stranger's document is no evidence for or against anything.
judged := [sbom | some sbom in input.sboms; sbom.state == "proven"]

# METADATA
# title: No package is hidden from the SBOM
# description: A package that is in the image and not in its SBOM is invisible to everybody who reads the SBOM alone.
# custom:
#   code: sbom-package-missing
#   severity: deny
#   solution: make the SBOM from the finished image, for example with docker buildx build --attest type=sbom
deny contains {"code": "sbom-package-missing", "msg": msg, "packages": names} if {
	some sbom in judged
	names := sort({name | some p in sbom.reconciliation.missing; name := sprintf("%s %s", [p.name, p.version])})
	count(names) > 0
	msg := sprintf("%s in the image and not in its SBOM: %s", [counted(count(names), "package is", "packages are"), some_of(names)])
}

# METADATA
# title: The SBOM says the versions that are installed
# description: A wrong version makes vulnerabilities appear and disappear.
# custom:
#   code: sbom-version-mismatch
#   severity: deny
#   solution: make the SBOM from the finished image
deny contains {"code": "sbom-version-mismatch", "msg": msg, "packages": names} if {
	some sbom in judged
	names := sort({name |
		some v in sbom.reconciliation.versions
		name := sprintf("%s %s (SBOM: %s)", [v.installed.name, v.installed.version, v.claimed])
	})
	count(names) > 0
	msg := sprintf("%s another version in the image than in its SBOM: %s", [counted(count(names), "package has", "packages have"), some_of(names)])
}

# METADATA
# title: The SBOM lists nothing that is not there
# description: >-
#   A package that is listed and not installed hides nothing, and yet makes licences and vulnerabilities wrong. With
#   policy.settings.sbom.ghosts at "warn" it is a warning, with anything else a denial.
# custom:
#   code: sbom-package-ghost
#   severity: deny
#   solution: make the SBOM from the finished image, not from a build stage or a lock file
deny contains ghost if {
	not ghosts_only_warn
	some ghost in ghosts
}

# METADATA
# title: The SBOM lists nothing that is not there
# description: The same as a warning, with policy.settings.sbom.ghosts at "warn".
# custom:
#   code: sbom-package-ghost
#   severity: warn
#   solution: make the SBOM from the finished image, not from a build stage or a lock file
warn contains ghost if {
	ghosts_only_warn
	some ghost in ghosts
}

ghosts_only_warn if input.settings.sbom.ghosts == "warn"

ghosts contains {"code": "sbom-package-ghost", "msg": msg, "packages": names} if {
	some sbom in judged
	names := sort({c.name | some c in sbom.reconciliation.ghosts})
	count(names) > 0
	msg := sprintf("%s in the SBOM and not in the image: %s", [counted(count(names), "package is", "packages are"), some_of(names)])
}

# Ecosystems of which packages are in the image and of which no proven SBOM about the image speaks, with how many there are.
absent[ecosystem] := most if {
	some sbom in of_the_image
	some ecosystem, _ in object.get(sbom.reconciliation, "uncovered", {})
	counts := {object.get(object.get(other.reconciliation, "uncovered", {}), ecosystem, 0) | some other in of_the_image}
	min(counts) > 0
	most := max(counts)
}

of_the_image := [sbom |
	some sbom in judged
	object.get(sbom, "about", "image") == "image"
	is_object(object.get(sbom, "reconciliation", null))
]

# A document that says of itself that it is partial promises nothing of what it leaves out.
partial if {
	some sbom in of_the_image
	object.get(sbom, "completeness", null) == "incomplete"
}

absence_denies if {
	input.settings.sbom.uncovered == "deny"
	not partial
}

absences contains {"code": "sbom-ecosystem-absent", "msg": msg, "ecosystems": names} if {
	count(absent) > 0
	names := sort({ecosystem | some ecosystem, _ in absent})
	told := [sprintf("%d of %s", [absent[name], name]) | some name in names]
	msg := sprintf("packages are in the image of which no proven SBOM speaks: %s", [concat(", ", told)])
}

# METADATA
# title: The SBOM speaks of every ecosystem that is in the image
# description: >-
#   An SBOM that lists no package of an ecosystem at all is no lie about the packages of it that are in the image, and says nothing
#   of them: whoever reads it alone sees none. With policy.settings.sbom.uncovered at "deny" it is a denial, unless a document says
#   of itself that it is incomplete.
# custom:
#   code: sbom-ecosystem-absent
#   severity: deny
#   solution: make the SBOM from the finished image with a generator that reads all of its ecosystems, or attach one for each
deny contains absence if {
	absence_denies
	some absence in absences
}

# METADATA
# title: The SBOM speaks of every ecosystem that is in the image
# description: The same as a warning, without policy.settings.sbom.uncovered at "deny", and of a document that says that it is incomplete.
# custom:
#   code: sbom-ecosystem-absent
#   severity: warn
#   solution: make the SBOM from the finished image with a generator that reads all of its ecosystems, or attach one for each
warn contains absence if {
	not absence_denies
	some absence in absences
}

# METADATA
# title: Files have the bytes that the SBOM says
# description: >-
#   A file that a proven SBOM names by path and digest, and that has other bytes, was changed after the list was made. Files are
#   compared where a rule says needs contains "contents".
# custom:
#   code: sbom-digest-mismatch
#   severity: deny
#   solution: make the SBOM from the finished image
deny contains {"code": "sbom-digest-mismatch", "msg": msg, "files": paths} if {
	some sbom in judged
	paths := sort({file.path | some file in sbom.reconciliation.digests})
	count(paths) > 0
	msg := sprintf("%s other bytes than the SBOM says: %s", [counted(count(paths), "file has", "files have"), some_of(paths)])
}

# METADATA
# title: The SBOM is this image's
# description: >-
#   A signer vouches for an SBOM that names the digest of another image. Where it names another platform of the same index, it
#   says nothing of this one, and no more than that: sbom-unchecked asks for one that does.
# custom:
#   code: sbom-other-image
#   severity: deny
#   solution: make the SBOM of the digest that is published, and attach each platform's to that platform's digest
deny contains {"code": "sbom-other-image", "msg": msg} if {
	some sbom in judged
	object.get(sbom, "binding", "none") == "other-image"
	object.get(sbom, "carrier", null) != "file"
	msg := sprintf("an SBOM names another image than this one: %s", [some_of(object.get(sbom, "namesImage", []))])
}

# METADATA
# title: Every SBOM was compared with the image
# description: >-
#   An SBOM that was not compared, or only with a package database that cannot be read, says nothing certain; where every one
#   is about a package in the image or about its build, none says what is in the image.
# custom:
#   code: sbom-unchecked
#   severity: deny
#   solution: keep the package database in the image; without it nobody can say what is installed
deny contains {"code": "sbom-unchecked", "msg": msg, "codes": unread} if {
	some sbom in judged
	not is_boolean(object.get(sbom, ["reconciliation", "agrees"], null))
	msg := "an SBOM was not compared with what is in the image: the image's layers were not read"
}

deny contains {"code": "sbom-unchecked", "msg": msg} if {
	count(judged) > 0
	some database in input.inventory.databases
	database.error != null
	msg := sprintf("the SBOM cannot be compared with the image: %s: %s", [database.path, database.error])
}

deny contains {"code": "sbom-unchecked", "msg": msg} if {
	count(judged) > 0
	not one_is_about_the_image
	msg := "every proven SBOM is about a part of the image, its build or another image: none says what is in the image"
}

deny contains {"code": "sbom-unchecked", "msg": msg} if {
	not sboms_are_listed
	msg := "the policy input has no list of SBOMs"
}

# METADATA
# title: The SBOM says what a profile asks for
# description: >-
#   With policy.settings.sbom.profile at the name of a profile (ntia-2021, cisa-2026, bsi-tr-03183-2), every proven SBOM has its
#   elements; without the setting nothing is asked for.
# custom:
#   code: sbom-quality
#   severity: deny
#   solution: let the generator write the elements that are named, or ask for another profile
deny contains {"code": "sbom-quality", "msg": msg} if {
	profile := input.settings.sbom.profile
	some sbom in judged
	lacking := [gap.element | some gap in object.get(sbom, ["quality", profile], [{"element": "known profile"}])]
	count(lacking) > 0
	msg := sprintf("an SBOM lacks what %s asks for: %s", [profile, concat(", ", lacking)])
}

# A document without the word was written before there was one.
one_is_about_the_image if {
	some sbom in judged
	object.get(sbom, "about", "image") == "image"
}

# Errors that keep layers from being read.
unread contains finding.code if {
	some finding in input.findings
	finding.severity == "error"
	some kind in ["image-", "limit-", "source-"]
	startswith(finding.code, kind)
}

sboms_are_listed if is_array(input.sboms)

some_of(names) := concat(", ", names) if count(names) <= 10

some_of(names) := sprintf("%s and %d more", [concat(", ", array.slice(names, 0, 10)), count(names) - 10]) if {
	count(names) > 10
}

# A number with the words for one, or for none and several: "1 file is", "2 files are".
counted(number, one, _) := sprintf("%v %s", [number, one]) if number == 1

counted(number, _, several) := sprintf("%v %s", [number, several]) if number != 1
