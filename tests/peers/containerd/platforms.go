package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/errdefs"
	matcher "github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Which image does a node take from an index?
type platformsQuestion struct {
	// What the node runs, as `linux/arm/v7`.
	Node string `json:"node"`
	// The image's top: an index, or a manifest.
	Target ocispec.Descriptor `json:"target"`
	// Every document by its digest, as text.
	Blobs map[digest.Digest]string `json:"blobs"`
}

// What it takes, by the digest of its configuration; or why it takes nothing.
type platformsAnswer struct {
	Config digest.Digest `json:"config,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// platforms resolves the image as a node of that type would, whose matcher is what platforms.Default() is there.
func platforms(ctx context.Context, line []byte) (any, error) {
	var asked platformsQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	node, err := matcher.Parse(asked.Node)
	if err != nil {
		return nil, err
	}
	config, err := images.Config(ctx, documents(asked.Blobs), asked.Target, matcher.Only(node))
	if err != nil {
		return platformsAnswer{Error: err.Error()}, nil
	}
	return platformsAnswer{Config: config.Digest}, nil
}

// documents is a content store in memory.
type documents map[digest.Digest]string

func (d documents) ReaderAt(_ context.Context, desc ocispec.Descriptor) (content.ReaderAt, error) {
	text, ok := d[desc.Digest]
	if !ok {
		return nil, fmt.Errorf("%s: %w", desc.Digest, errdefs.ErrNotFound)
	}
	return document{bytes.NewReader([]byte(text))}, nil
}

type document struct{ *bytes.Reader }

func (document) Close() error { return nil }
