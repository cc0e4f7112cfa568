package discover

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
)

// Walk finds every flow below dir: Python functions and script flows. What
// cannot be read is in Result.Skipped. The error is for a dir that cannot be
// listed at all, and for ctx.
func Walk(ctx context.Context, dir string, opts Options) (Result, error) {
	listed, err := list(ctx, dir, opts.NoGit)
	if err != nil {
		return Result{}, err
	}
	files := listed.files
	results := make([]Result, len(files))
	work := make(chan int)
	project := newProject(dir)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range work {
				results[i] = scanFile(project, files[i])
			}
		})
	}
	for i := range files {
		if ctx.Err() != nil {
			break
		}
		work <- i
	}
	close(work)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return Result{}, err
	}
	out := Result{Skipped: listed.skipped, Files: len(files)}
	for _, r := range results {
		out.Flows = append(out.Flows, r.Flows...)
		out.Skipped = append(out.Skipped, r.Skipped...)
		if opts.Explain {
			out.Notes = append(out.Notes, r.Notes...)
		}
	}
	out.sort()
	return out, nil
}

// File lists the flows of one file, which is relative to root or absolute. A
// file that cannot be read or is no Python is in Result.Skipped; the error is
// for one that is not there.
func File(root, file string) (Result, error) {
	rel, err := relative(root, file)
	if err != nil {
		return Result{}, err
	}
	info, err := os.Stat(filepath.Join(root, filepath.FromSlash(rel)))
	if err != nil {
		return Result{}, fmt.Errorf("read %s: %w", rel, err)
	}
	if info.IsDir() {
		return Result{}, fmt.Errorf("read %s: is a folder", rel)
	}
	out := scanFile(newProject(root), rel)
	out.Files = 1
	out.sort()
	return out, nil
}

// relative is file from root, with slashes.
func relative(root, file string) (string, error) {
	if !filepath.IsAbs(file) {
		return path.Clean(filepath.ToSlash(file)), nil
	}
	abs, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(abs, file)
	if err != nil {
		return "", err
	}
	return filepath.ToSlash(rel), nil
}

// scanFile reads one file of whatever kind.
func scanFile(p *project, rel string) Result {
	if strings.HasSuffix(rel, ".py") {
		return scanPython(p, rel)
	}
	head, err := readHead(p.root, rel)
	if err != nil {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, os.ErrNotExist) {
			return Result{} // a tracked file that was deleted, or nothing that a scan for flows should complain about
		}
		return Result{Skipped: []Skip{{File: rel, Reason: reasonOf(err)}}}
	}
	return scanScript(rel, head)
}

// scanScript looks for a block in the head of any file. One with NUL bytes is
// binary.
func scanScript(rel string, head []byte) Result {
	if bytes.IndexByte(head, 0) >= 0 {
		return Result{}
	}
	flow, ok, err := scriptFlow(rel, head)
	var bad *blockError
	switch {
	case errors.As(err, &bad):
		return Result{Skipped: []Skip{{File: rel, Reason: bad.msg, Line: bad.line}}}
	case ok:
		return Result{Flows: []Flow{flow}}
	}
	return Result{}
}

// scanPython reads a Python file, and a script block in it.
func scanPython(p *project, rel string) Result {
	raw, err := os.ReadFile(filepath.Join(p.root, filepath.FromSlash(rel)))
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return Result{}
		}
		return Result{Skipped: []Skip{{File: rel, Reason: reasonOf(err)}}}
	}
	if !mayHoldFlow(raw) {
		return Result{}
	}
	out := scanScript(rel, raw[:min(len(raw), headSize)])
	f, skip := openPython(p, rel, raw)
	if skip != nil {
		out.Skipped = append(out.Skipped, *skip)
		return out
	}
	flows, notes := f.flows()
	out.Flows = append(out.Flows, flows...)
	out.Notes = append(out.Notes, notes...)
	return out
}

// mayHoldFlow is the cheap test that spares most files the parser. A name may
// also be spelt in other characters that NFKC folds to flow, and a file in
// UTF-16 has NUL bytes between its letters; such files say prefect or are read
// in full.
func mayHoldFlow(raw []byte) bool {
	return bytes.Contains(raw, []byte("flow")) || bytes.Contains(raw, []byte("prefect"))
}

// openPython decodes and parses.
func openPython(p *project, rel string, raw []byte) (*pyFile, *Skip) {
	text, err := decode(raw)
	if err != nil {
		return nil, &Skip{File: rel, Reason: err.Error()}
	}
	mod, serr := parse(text)
	if serr != nil {
		pos := int32(min(serr.pos, len(text)))
		return nil, &Skip{File: rel, Reason: serr.msg, Line: mod.line(pos), Column: mod.column(pos)}
	}
	return newFile(p, rel, mod), nil
}
