package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/pkg/archive"
	"golang.org/x/sys/unix"
)

// A stack of layers: uncompressed tars, base first, in base64.
type stack struct {
	Layers [][]byte `json:"layers"`
}

// What the ways to apply a stack come to.
type trees struct {
	// Each layer into a folder of its own beside those below, as the overlayfs snapshotter and the differ do for root.
	Overlay tree `json:"overlay"`
	// Each layer onto the mounted overlay of those below, as the differ does in a user namespace.
	Mounted tree `json:"mounted"`
	// All layers onto one folder, as the native snapshotter's copies come to.
	Copy tree `json:"copy"`
}

// A tree, or why there is none.
type tree struct {
	Error string          `json:"error,omitempty"`
	Nodes map[string]node `json:"nodes"`
}

// One name. Names of one file have the same first name.
type node struct {
	Kind   string            `json:"kind"`
	Mode   uint32            `json:"mode"`
	UID    uint32            `json:"uid"`
	GID    uint32            `json:"gid"`
	Size   int64             `json:"size"`
	SHA256 string            `json:"sha256,omitempty"`
	Link   string            `json:"link,omitempty"`
	Device []uint32          `json:"device,omitempty"`
	Xattrs map[string][]byte `json:"xattrs,omitempty"`
	First  string            `json:"first"`
}

// apply applies a stack in all three ways, with containerd's own code, on real mounts. Needs root.
func apply(ctx context.Context, line []byte) (any, error) {
	var asked stack
	if err := json.Unmarshal(line, &asked); err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "runtime-judge-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	// overlayfs cannot lie on overlayfs, which the temporary folder may be on.
	if err := unix.Mount("tmpfs", work, "tmpfs", 0, "size=256m"); err != nil {
		return nil, fmt.Errorf("mounting a tmpfs: %w", err)
	}
	defer unix.Unmount(work, unix.MNT_DETACH)
	ways := []struct {
		name string
		run  func(context.Context, string, [][]byte) tree
	}{{"overlay", overlay}, {"mounted", mounted}, {"copy", onto}}
	found := make([]tree, len(ways))
	for at, way := range ways {
		folder := filepath.Join(work, way.name)
		if err := os.Mkdir(folder, 0o755); err != nil {
			return nil, err
		}
		found[at] = way.run(ctx, folder, asked.Layers)
	}
	return trees{Overlay: found[0], Mounted: found[1], Copy: found[2]}, nil
}

// As core/diff/apply does with an overlay mount: into the upper folder, with whiteouts of overlayfs, the lower folders at hand
// for the attributes of parents.
func overlay(ctx context.Context, folder string, layers [][]byte) tree {
	var lower []string // The uppermost first, as overlayfs lists them.
	for at, layer := range layers {
		upper := filepath.Join(folder, fmt.Sprint(at))
		if err := os.Mkdir(upper, 0o755); err != nil {
			return failed(err)
		}
		options := []archive.ApplyOpt{archive.WithConvertWhiteout(archive.OverlayConvertWhiteout)}
		if len(lower) > 0 {
			options = append(options, archive.WithParents(lower))
		}
		if _, err := archive.Apply(ctx, upper, bytes.NewReader(layer), options...); err != nil {
			return failed(fmt.Errorf("layer %d: %w", at, err))
		}
		lower = append([]string{upper}, lower...)
	}
	return overlaid(folder, lower, "", read)
}

// As core/diff/apply does where it may make no devices: onto the mounted root.
func mounted(ctx context.Context, folder string, layers [][]byte) tree {
	var lower []string
	for at, layer := range layers {
		upper := filepath.Join(folder, fmt.Sprint(at))
		if err := os.Mkdir(upper, 0o755); err != nil {
			return failed(err)
		}
		if done := overlaid(folder, lower, upper, func(root string) tree {
			if _, err := archive.Apply(ctx, root, bytes.NewReader(layer)); err != nil {
				return failed(fmt.Errorf("layer %d: %w", at, err))
			}
			return tree{}
		}); done.Error != "" {
			return done
		}
		lower = append([]string{upper}, lower...)
	}
	return overlaid(folder, lower, "", read)
}

// As the native snapshotter, whose snapshots are copies: onto what is there.
func onto(ctx context.Context, folder string, layers [][]byte) tree {
	for at, layer := range layers {
		if _, err := archive.Apply(ctx, folder, bytes.NewReader(layer)); err != nil {
			return failed(fmt.Errorf("layer %d: %w", at, err))
		}
	}
	return read(folder)
}

// overlaid mounts folders over each other and looks at the result.
func overlaid(folder string, lower []string, upper string, look func(string) tree) tree {
	root, workdir, empty := filepath.Join(folder, "root"), filepath.Join(folder, "work"), filepath.Join(folder, "empty")
	for _, path := range []string{root, workdir, empty} {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return failed(err)
		}
	}
	// A mount needs two folders at least.
	options := "index=off,lowerdir=" + strings.Join(append(append([]string{}, lower...), empty), ":")
	if upper != "" {
		options += ",upperdir=" + upper + ",workdir=" + workdir
	} else if len(lower) == 0 {
		return look(empty)
	}
	if err := unix.Mount("overlay", root, "overlay", 0, options); err != nil {
		return failed(fmt.Errorf("mounting %s: %w", options, err))
	}
	defer unix.Unmount(root, unix.MNT_DETACH)
	return look(root)
}

func failed(err error) tree { return tree{Error: err.Error()} }

// read lists a tree; the root itself is left out: no runtime applies an entry for it.
func read(root string) tree {
	found := tree{Nodes: map[string]node{}}
	inodes := map[[2]uint64][]string{}
	err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		name := strings.TrimPrefix(path, root)
		said, inode, err := look(path)
		if err != nil {
			return err
		}
		found.Nodes[name] = said
		if said.Kind != "directory" {
			inodes[inode] = append(inodes[inode], name)
		}
		return nil
	})
	if err != nil {
		return failed(err)
	}
	for _, names := range inodes {
		sort.Strings(names)
		for _, name := range names {
			said := found.Nodes[name]
			said.First = names[0]
			found.Nodes[name] = said
		}
	}
	return found
}

func look(path string) (node, [2]uint64, error) {
	var stat unix.Stat_t
	if err := unix.Lstat(path, &stat); err != nil {
		return node{}, [2]uint64{}, err
	}
	said := node{Mode: stat.Mode & 0o7777, UID: stat.Uid, GID: stat.Gid}
	var err error
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		said.Kind, said.Size = "file", stat.Size
		var content []byte
		if content, err = os.ReadFile(path); err == nil {
			sum := sha256.Sum256(content)
			said.SHA256 = hex.EncodeToString(sum[:])
		}
	case unix.S_IFDIR:
		said.Kind = "directory"
	case unix.S_IFLNK:
		said.Kind = "symlink"
		said.Link, err = os.Readlink(path)
	case unix.S_IFCHR, unix.S_IFBLK:
		said.Kind = "block device"
		if stat.Mode&unix.S_IFMT == unix.S_IFCHR {
			said.Kind = "character device"
		}
		said.Device = []uint32{unix.Major(stat.Rdev), unix.Minor(stat.Rdev)}
	case unix.S_IFIFO:
		said.Kind = "named pipe"
	default:
		return node{}, [2]uint64{}, fmt.Errorf("%s: mode %o", path, stat.Mode)
	}
	if err == nil {
		said.Xattrs, err = attributes(path)
	}
	return said, [2]uint64{stat.Dev, stat.Ino}, err
}

func attributes(path string) (map[string][]byte, error) {
	names := make([]byte, 64<<10)
	length, err := unix.Llistxattr(path, names)
	if errors.Is(err, syscall.ENOTSUP) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	found := map[string][]byte{}
	for _, name := range strings.Split(strings.TrimRight(string(names[:length]), "\x00"), "\x00") {
		if name == "" {
			continue
		}
		value := make([]byte, 64<<10)
		length, err := unix.Lgetxattr(path, name, value)
		if err != nil {
			return nil, err
		}
		found[name] = value[:length]
	}
	return found, nil
}
