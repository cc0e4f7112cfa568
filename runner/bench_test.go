//go:build unix

package runner

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// What a slot does between its job and the user's process, next to the start.
func BenchmarkPrepare(b *testing.B) {
	dir := b.TempDir()
	for n := 0; b.Loop(); n++ {
		log := must(CreateLog(filepath.Join(dir, fmt.Sprint(n, ".log"))))
		for _, name := range []string{".out", ".err"} {
			path := filepath.Join(dir, fmt.Sprint(n, name))
			fifo := must(MakeFifo(path))
			must(0, fifo.Read.Close())
			must(0, fifo.Write.Close())
			must(0, os.Remove(path))
		}
		must(0, log.Close())
	}
}

func BenchmarkStartToExit(b *testing.B) {
	for b.Loop() {
		p := must(Start(Spec{Argv: []string{"/bin/true"}}))
		must(p.Wait(b.Context()))
		p.Reap()
	}
}

func BenchmarkStartToExitByExecCmd(b *testing.B) {
	for b.Loop() {
		must(0, exec.Command("/bin/true").Run())
	}
}

// BenchmarkFlow is a whole short flow: log, FIFOs, start, output, end.
func BenchmarkFlow(b *testing.B) {
	dir := b.TempDir()
	for n := 0; b.Loop(); n++ {
		log := must(CreateLog(filepath.Join(dir, fmt.Sprint(n, ".log"))))
		path := filepath.Join(dir, fmt.Sprint(n, ".out"))
		pumpInto(log, path, Spec{Argv: []string{"/bin/echo", "hello"}})
		must(0, log.Close())
	}
}

func pumpInto(log *Log, path string, spec Spec) {
	fifo := must(MakeFifo(path))
	spec.Stdout = fifo.Write
	p := must(Start(spec))
	must(0, fifo.Write.Close())
	pumpTo(fifo.Read, log)
	p.Reap()
	must(0, fifo.Read.Close())
	must(0, os.Remove(path))
}

// BenchmarkOutput: 200 MB of lines through FIFO and log, and straight to a
// file; the first may take three times the second.
func BenchmarkOutput(b *testing.B) {
	const size = 200 << 20
	dir := b.TempDir()
	text := filepath.Join(dir, "text")
	line := []byte("a line of output, as programs print them, of eighty characters and a newline...\n")
	must(0, os.WriteFile(text, bytes.Repeat(line, size/len(line)), 0o600))
	b.Run("log", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			path := filepath.Join(dir, "log")
			log := must(CreateLog(path))
			pumpInto(log, filepath.Join(dir, "out"), Spec{Argv: []string{"cat", text}})
			must(0, log.Close())
			must(0, os.Remove(path))
		}
	})
	b.Run("cat", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			path := filepath.Join(dir, "copy")
			file := must(os.Create(path))
			p := must(Start(Spec{Argv: []string{"cat", text}, Stdout: file}))
			must(p.Wait(b.Context()))
			p.Reap()
			must(0, file.Close())
			must(0, os.Remove(path))
		}
	})
}

// BenchmarkLookAtCode is what a slot does beside each run of a checkout: with
// what it remembers, and with git.
func BenchmarkLookAtCode(b *testing.B) {
	dir := b.TempDir()
	for _, arguments := range [][]string{{"init", "-q"}, {"-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "--allow-empty", "-m", "x"}} {
		must(0, exec.Command("git", append([]string{"-C", dir}, arguments...)...).Run())
	}
	var c checkout
	look := func() {
		top, gitDir := findCheckout(dir)
		c.look(b.Context(), top, gitDir, filepath.Join(dir, "f.py"))
	}
	b.Run("remembered", func(b *testing.B) {
		look()
		c.took = time.Hour
		for b.Loop() {
			look()
		}
	})
	b.Run("asked", func(b *testing.B) {
		for b.Loop() {
			c.mark = ""
			look()
		}
	})
}
