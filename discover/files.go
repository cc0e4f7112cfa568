package discover

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// listing is the files of a folder, and what could not be listed.
type listing struct {
	files   []string // relative, with slashes, sorted
	skipped []Skip
}

// list names the files below dir: what git does not ignore, or without git the
// tree less what is no one's source.
func list(ctx context.Context, dir string, noGit bool) (listing, error) {
	info, err := os.Stat(dir)
	if err != nil {
		return listing{}, fmt.Errorf("read folder: %w", err)
	}
	if !info.IsDir() {
		return listing{}, fmt.Errorf("read folder: %s is a file", dir)
	}
	var out listing
	fromGit := false
	if !noGit {
		out.files, fromGit = gitFiles(ctx, dir)
	}
	if !fromGit {
		w := walker{ctx: ctx, root: dir, seen: map[string]bool{}}
		if err := w.dir("", 0); err != nil {
			return listing{}, err
		}
		out = w.out
	}
	if rules := readIgnore(dir); len(rules) > 0 {
		out.files = slices.DeleteFunc(out.files, func(rel string) bool { return rules.match(rel, false) })
	}
	slices.Sort(out.files)
	return out, nil
}

// walker reads a tree without git.
type walker struct {
	ctx  context.Context
	root string
	seen map[string]bool // folders by their real path
	out  listing
}

// maxFolders bounds how deep a tree is followed.
const maxFolders = 200

// skippedFolders hold other people's or generated code.
var skippedFolders = map[string]bool{"node_modules": true, "__pycache__": true, "site-packages": true}

func (w *walker) skip(rel, reason string) {
	w.out.skipped = append(w.out.skipped, Skip{File: rel, Reason: reason})
}

// dir reads one folder. Only the root's own failure is an error: any other
// folder that cannot be read is named and left out.
func (w *walker) dir(rel string, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	full := filepath.Join(w.root, filepath.FromSlash(rel))
	entries, err := os.ReadDir(full)
	if err != nil {
		if rel == "" {
			return fmt.Errorf("read folder: %w", err)
		}
		w.skip(rel, reasonOf(err))
		return nil
	}
	if rel != "" && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == "pyvenv.cfg" }) {
		return nil // a virtual environment
	}
	if depth == 0 {
		w.markSeen(full)
	}
	for _, e := range entries {
		if err := w.entry(path.Join(rel, e.Name()), e, depth); err != nil {
			return err
		}
	}
	return nil
}

// markSeen reports whether the folder is new. Folders behind links are followed
// once; a loop of links ends here.
func (w *walker) markSeen(full string) bool {
	real, err := filepath.EvalSymlinks(full)
	if err != nil || w.seen[real] {
		return false
	}
	w.seen[real] = true
	return true
}

// entry takes a file or enters a folder. A link counts as what it points at.
func (w *walker) entry(rel string, e fs.DirEntry, depth int) error {
	dir, link := e.IsDir(), e.Type()&fs.ModeSymlink != 0
	full := filepath.Join(w.root, filepath.FromSlash(rel))
	if link {
		info, err := os.Stat(full)
		if err != nil {
			if strings.HasSuffix(rel, ".py") {
				w.skip(rel, "broken link: "+reasonOf(err))
			}
			return nil
		}
		dir = info.IsDir()
		if !dir && !info.Mode().IsRegular() {
			return nil
		}
	}
	switch {
	case !dir && (link || e.Type().IsRegular()):
		w.out.files = append(w.out.files, rel)
	case !dir:
	case strings.HasPrefix(e.Name(), ".") || skippedFolders[e.Name()]:
	case depth >= maxFolders:
		w.skip(rel, "folders nested too deeply")
	case !w.enters(full, link):
	default:
		return w.dir(rel, depth+1)
	}
	return nil
}

// enters decides whether a folder is to be read. Only trees with links in them
// need the real path of each folder.
func (w *walker) enters(full string, link bool) bool {
	if link {
		return w.markSeen(full)
	}
	if w.seen[full] {
		return false
	}
	w.seen[full] = true
	return true
}

// reasonOf is the cause of a file error without the path, which is said beside
// it.
func reasonOf(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return pathError.Err.Error()
	}
	return err.Error()
}
