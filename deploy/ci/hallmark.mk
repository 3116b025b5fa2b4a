# Verify images from a Makefile: include this file, and let what uses images depend on verify-images.
#
#   HALLMARK_KEY := cosign.pub
#   HALLMARK_IMAGES := $(shell sed -n 's/^FROM //p' Dockerfile)
#   include deploy/ci/hallmark.mk
#   deploy: verify-images
#
# Values reach the shell as variables, never as part of its text, and make expands none that the command line or the environment gives.

HALLMARK ?= hallmark
HALLMARK_IMAGES ?=
HALLMARK_KEY ?=
HALLMARK_IDENTITY ?=
HALLMARK_ISSUER ?=
HALLMARK_YAML ?=
HALLMARK_POLICY ?=
HALLMARK_REPORTS ?= hallmark-reports

# What a file of make says is make's; what somebody gives from outside is text.
hallmark_text = $(if $(filter file automatic default,$(origin $(1))),$($(1)),$(value $(1)))

# make would expand them for the environment of the recipe.
unexport HALLMARK HALLMARK_IMAGES HALLMARK_KEY HALLMARK_IDENTITY HALLMARK_ISSUER HALLMARK_YAML HALLMARK_POLICY HALLMARK_REPORTS

.PHONY: verify-images
verify-images: export VERIFY_PROGRAM = $(call hallmark_text,HALLMARK)
verify-images: export VERIFY_IMAGES = $(call hallmark_text,HALLMARK_IMAGES)
verify-images: export VERIFY_KEY = $(call hallmark_text,HALLMARK_KEY)
verify-images: export VERIFY_IDENTITY = $(call hallmark_text,HALLMARK_IDENTITY)
verify-images: export VERIFY_ISSUER = $(call hallmark_text,HALLMARK_ISSUER)
verify-images: export VERIFY_YAML = $(call hallmark_text,HALLMARK_YAML)
verify-images: export VERIFY_POLICY = $(call hallmark_text,HALLMARK_POLICY)
verify-images: export VERIFY_REPORTS = $(call hallmark_text,HALLMARK_REPORTS)
verify-images: ## Verify the images that HALLMARK_IMAGES lists
	@set --; \
	case "$$VERIFY_IMAGES" in *[![:space:]]*) ;; \
	*) echo 'verify-images: HALLMARK_IMAGES names no image; set it to one or more, as registry.example/app@sha256:...' >&2 ;; esac; \
	if [ -n "$$VERIFY_KEY" ]; then set -- "$$@" "--key=$$VERIFY_KEY"; fi; \
	if [ -n "$$VERIFY_IDENTITY" ]; then set -- "$$@" "--certificate-identity=$$VERIFY_IDENTITY"; fi; \
	if [ -n "$$VERIFY_ISSUER" ]; then set -- "$$@" "--certificate-oidc-issuer=$$VERIFY_ISSUER"; fi; \
	if [ -n "$$VERIFY_YAML" ]; then set -- "$$@" "--config=$$VERIFY_YAML"; fi; \
	if [ -n "$$VERIFY_POLICY" ]; then set -- "$$@" "--policy=$$VERIFY_POLICY"; fi; \
	mkdir -p -- "$$VERIFY_REPORTS"; \
	printf '%s\n' "$$VERIFY_IMAGES" | tr ' ' '\n' | "$$VERIFY_PROGRAM" verify "$$@" --output text \
	  --output "junit=$$VERIFY_REPORTS/hallmark.xml" --output "json=$$VERIFY_REPORTS/hallmark.json" -
