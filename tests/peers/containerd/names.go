package main

import (
	"context"
	// The algorithms of digests that containerd knows.
	_ "crypto/sha256"
	_ "crypto/sha512"
	"encoding/json"

	"github.com/distribution/reference"
)

// What is an image called?
type namesQuestion struct {
	// The name as somebody typed it.
	Name string `json:"name"`
}

// Its parts in canonical form; or why it is no name.
type namesAnswer struct {
	Domain string `json:"domain,omitempty"`
	Path   string `json:"path,omitempty"`
	Tag    string `json:"tag,omitempty"`
	Digest string `json:"digest,omitempty"`
	Error  string `json:"error,omitempty"`
}

// names reads a name as Docker and containerd do: a tag beside a digest is left out, and one that is missing is latest.
func names(_ context.Context, line []byte) (any, error) {
	var asked namesQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	named, err := reference.ParseDockerRef(asked.Name)
	if err != nil {
		return namesAnswer{Error: err.Error()}, nil
	}
	answer := namesAnswer{Domain: reference.Domain(named), Path: reference.Path(named)}
	if tagged, ok := named.(reference.Tagged); ok {
		answer.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		answer.Digest = digested.Digest().String()
	}
	return answer, nil
}
