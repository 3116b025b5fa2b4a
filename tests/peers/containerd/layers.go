package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sort"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/opencontainers/go-digest"
)

// What does a layer of this type unpack to?
type layersQuestion struct {
	MediaType string `json:"mediaType"`
	// As it is stored, in base64.
	Stored []byte `json:"stored"`
}

// The digest of what was unpacked, and the names in it; or why nothing was.
type layersAnswer struct {
	DiffID digest.Digest `json:"diffId,omitempty"`
	Names  []string      `json:"names"`
	Error  string        `json:"error,omitempty"`
}

// layers unpacks a layer as core/diff/apply does: through its media type's stream processor, and to the end.
func layers(ctx context.Context, line []byte) (any, error) {
	var asked layersQuestion
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "runtime-judge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	found, err := unpack(ctx, folder, asked)
	if err != nil {
		return layersAnswer{Names: []string{}, Error: err.Error()}, nil
	}
	names, err := namesBelow(folder)
	return layersAnswer{DiffID: found, Names: names}, err
}

func unpack(ctx context.Context, folder string, asked layersQuestion) (digest.Digest, error) {
	how, err := images.DiffCompression(ctx, asked.MediaType)
	if err != nil {
		return "", err
	}
	stream := io.NopCloser(bytes.NewReader(asked.Stored))
	// core/diff/stream.go: a type that names no compression is passed through as it is; "unknown" is Docker's, and looked at.
	if how != "" {
		if stream, err = compression.DecompressStream(stream); err != nil {
			return "", err
		}
	}
	defer stream.Close()
	sum := digest.Canonical.Digester()
	read := io.TeeReader(stream, sum.Hash())
	if _, err := archive.Apply(ctx, folder, read); err != nil {
		return "", err
	}
	if _, err := io.Copy(io.Discard, read); err != nil {
		return "", err
	}
	return sum.Digest(), nil
}

func namesBelow(folder string) ([]string, error) {
	names := []string{}
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		if err == nil && path != folder {
			names = append(names, path[len(folder):])
		}
		return err
	})
	sort.Strings(names)
	return names, err
}
