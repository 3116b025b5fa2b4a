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
	msg := sprintf("%d packages are in the image and not in its SBOM: %s", [count(names), some_of(names)])
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
	msg := sprintf("%d packages have another version in the image than in its SBOM: %s", [count(names), some_of(names)])
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
	msg := sprintf("%d packages are in the SBOM and not in the image: %s", [count(names), some_of(names)])
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
	msg := "every proven SBOM is about a part of the image or about its build: none says what is in the image"
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
