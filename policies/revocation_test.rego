package hallmark.revocation_test

import data.hallmark.revocation

denied(document) := {result.code | some result in revocation.deny with input as document}

image(settings) := {
	"image": {"digest": "sha256:aa", "manifest": "sha256:bb", "digests": ["sha256:aa", "sha512:ab", "sha256:bb", "sha256:dd"]},
	"settings": {"signature": settings},
}

test_image_revoked if {
	denied(image({"revoked": ["sha256:aa"]})) == {"image-revoked"}
	denied(image({"revoked": ["sha256:bb"]})) == {"image-revoked"}
	denied(image({"revoked": ["sha512:ab"]})) == {"image-revoked"}
	denied(image({"revoked": ["SHA256:DD"]})) == {"image-revoked"}
	denied(image({"revoked": ["sha256:cc", 7]})) == set()
	denied(image({"revoked": "sha256:aa"})) == {"image-revoked"}
}

test_image_revoked_without_the_list_of_digests if {
	older := object.union(object.remove(image({"revoked": ["sha256:bb"]}), ["image"]), {"image": {"digest": "sha256:aa", "manifest": "sha256:bb"}})
	denied(older) == {"image-revoked"}
}

test_nothing_is_revoked_where_nothing_is_listed if {
	denied(image({"revoked": []})) == set()
	denied(image({})) == set()
}

test_an_image_that_is_not_named_is_image_revoked if {
	denied({}) == {"image-revoked"}
	denied({"image": {"digest": "sha256:aa"}}) == {"image-revoked"}
}

test_a_setting_that_is_no_list_is_image_revoked_once if {
	results := {result | some result in revocation.deny with input as image({"revoked": {"a": "sha256:aa"}})}
	count(results) == 1
	denied({"image": {"manifest": "sha256:aa"}}) == {"image-revoked"}
}
