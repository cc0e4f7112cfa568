package runner

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"
)

func testLog(t testing.TB) (*Log, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "logs", "2026-11-23", "run.1.log")
	log, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	return log, path
}

func raw(t testing.TB, path string, streams ...string) string {
	t.Helper()
	var out bytes.Buffer
	if err := CopyRaw(&out, path, streams...); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

var noon = time.Date(2026, 11, 23, 8, 51, 21, 123456000, time.UTC)

func TestLogForm(t *testing.T) {
	defer goleak.VerifyNone(t)
	log, path := testLog(t)
	for _, chunk := range []string{"one\ntw", "o\n\nthree"} {
		if err := log.Append("stdout", []byte(chunk), noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := log.Append("stderr", []byte("a\x00\r\xff\n"), noon.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Join([]string{
		"2026-11-23T08:51:21.123456Z stdout F one",
		"2026-11-23T08:51:21.123456Z stdout F two",
		"2026-11-23T08:51:21.123456Z stdout F ",
		"2026-11-23T08:51:22.123456Z stderr F a\x00\r\xff",
		"2026-11-23T08:51:21.123456Z stdout P three",
		"",
	}, "\n")
	if string(got) != want {
		t.Errorf("log is\n%s\nwant\n%s", got, want)
	}
	for file, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		if info, err := os.Stat(file); err != nil || info.Mode() != mode {
			t.Errorf("mode of %s is %v, %v; want %v", file, info.Mode(), err, mode)
		}
	}
	if _, err := CreateLog(path); !errors.Is(err, os.ErrExist) {
		t.Errorf("second CreateLog: %v, want ErrExist", err)
	}
}

// chunks draws what programs print: lines, parts of lines, binary, very long.
func chunks() *rapid.Generator[[]byte] {
	long := rapid.Custom(func(t *rapid.T) []byte {
		return bytes.Repeat([]byte{'x'}, rapid.IntRange(maxText-2, 3*maxText).Draw(t, "long"))
	})
	bytewise := rapid.SliceOfN(rapid.SampledFrom([]byte("ab \n\n\r\x00\xff")), 0, 40)
	return rapid.OneOf(bytewise, bytewise, long, rapid.SliceOf(rapid.Byte()))
}

func TestLogGivesTheBytesBack(t *testing.T) {
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		log, err := CreateLog(path)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for range rapid.IntRange(0, 12).Draw(t, "appends") {
			stream := rapid.SampledFrom([]string{"stdout", "stderr"}).Draw(t, "stream")
			chunk := chunks().Draw(t, "chunk")
			want[stream] += string(chunk)
			if err := log.Append(stream, chunk, noon); err != nil {
				t.Fatal(err)
			}
			if rapid.Bool().Draw(t, "pause") {
				log.look()
				log.look()
			}
		}
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		for stream, text := range want {
			var out bytes.Buffer
			if err := CopyRaw(&out, path, stream); err != nil || out.String() != text {
				t.Fatalf("%s came back as %q, %v; want %q", stream, out.String(), err, text)
			}
		}
		_ = ReadLog(path, func(r Record) error {
			if len(r.Text) > maxText || !r.Time.Equal(noon) {
				t.Fatalf("record of %d bytes at %v", len(r.Text), r.Time)
			}
			return nil
		})
		tornAnywhere(t, path, want["stdout"])
	})
}

// tornAnywhere cuts the log as a killed writer could leave it, and writes on:
// what was whole is there, nothing is invented, and the new text is exact.
func tornAnywhere(t *rapid.T, path, text string) {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	cut := rapid.Int64Range(0, info.Size()).Draw(t, "cut")
	if err := os.Truncate(path, cut); err != nil {
		t.Fatal(err)
	}
	var before, after bytes.Buffer
	if err := CopyRaw(&before, path, "stdout"); err != nil {
		t.Fatal(err)
	}
	log, err := OpenLogForAppend(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(log.Append("new", []byte("on\n"), noon), log.Close()); err != nil {
		t.Fatal(err)
	}
	if err := CopyRaw(&after, path, "stdout"); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(after.String(), before.String()) || !strings.HasPrefix(text, after.String()) {
		t.Fatalf("cut at %d: %q, mended %q, written %q", cut, before.String(), after.String(), text)
	}
	var added bytes.Buffer
	if err := CopyRaw(&added, path, "new"); err != nil || added.String() != "on\n" {
		t.Fatalf("cut at %d: added %q, %v", cut, added.String(), err)
	}
}

func TestReadLogLeavesOutWhatIsNoRecord(t *testing.T) {
	log, path := testLog(t)
	_ = log.Append("stdout", []byte("one\n"), noon)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	torn := "2026-11-23T08:51:21.123456Z stdout F to"
	for _, text := range []string{
		"\n", "junk\n", "2026-11-23T08:51:21.123456Z stdout X no\n", "2026-13-23T08:51:21.123456Z stdout F no\n",
		strings.Repeat("\x00", 3*readSize) + "2026-11-23T08:51:21.123456Z stdout F no\n",
		"2026-11-23T08:51:21.123456Z stdout F two\n", torn,
	} {
		if _, err := file.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	if got := raw(t, path); got != "one\ntwo\n" {
		t.Errorf("read %q, want one and two", got)
	}
}

func TestTailLog(t *testing.T) {
	log, path := testLog(t)
	var want []string
	for i := range 20_000 {
		line := fmt.Sprintf("line %d %s", i, strings.Repeat("x", i%50))
		if i == 19_990 {
			line += strings.Repeat("y", 5*readSize) // over many records and windows
		}
		want = append(want, line)
		if err := log.Append("stdout", []byte(line+"\n"), noon); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(log.Append("stdout", []byte("prompt? "), noon), log.Flush("stdout")); err != nil {
		t.Fatal(err)
	}
	want = append(want, "prompt? ")
	info, _ := os.Stat(path)
	for _, n := range []int{0, 1, 2, 11, 12, 5000, 30_000} {
		lines, end, err := TailLog(path, n)
		if err != nil || end != info.Size() {
			t.Fatalf("tail %d ends at %d, %v; want %d", n, end, err, info.Size())
		}
		some := want[max(0, len(want)-n):]
		if len(lines) != len(some) {
			t.Fatalf("tail %d gave %d lines", n, len(lines))
		}
		for i, line := range lines {
			if string(line.Text) != some[i] || line.Partial != (i == len(lines)-1) {
				t.Fatalf("tail %d, line %d: %q, partial %v", n, i, line.Text, line.Partial)
			}
		}
	}
}

// TestFollowLog: a follower is there before the file, sees a prompt that no
// newline ends, and every byte up to what is written right before the end.
func TestFollowLog(t *testing.T) {
	defer goleak.VerifyNone(t)
	path := filepath.Join(t.TempDir(), "run.log")
	seen, texts := make(chan string), ""
	ended := make(chan struct{})
	result := make(chan error, 1)
	go func() {
		_, err := FollowLog(context.Background(), path, 0, func() bool {
			select {
			case <-ended:
				return true
			default:
				return false
			}
		}, func(r Record) error {
			seen <- string(r.Text)
			return nil
		})
		close(seen)
		result <- err
	}()
	log, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct{ write, want string }{
		{"one\n", "one"}, {"name? ", "name? "}, {"otter\n", "otter"},
	} {
		start := time.Now()
		if err := log.Append("stdout", []byte(step.write), noon); err != nil {
			t.Fatal(err)
		}
		if got := <-seen; got != step.want {
			t.Fatalf("followed %q, want %q", got, step.want)
		}
		t.Logf("%q seen after %v", step.want, time.Since(start))
	}
	_ = log.Append("stdout", []byte("last"), noon)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	close(ended)
	for text := range seen {
		texts += text
	}
	if err := <-result; err != nil || texts != "last" {
		t.Fatalf("the end brought %q, %v", texts, err)
	}
}

func TestFollowLogEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	never := func() bool { cancel(); return false }
	offset, err := FollowLog(ctx, filepath.Join(t.TempDir(), "none"), 7, never, nil)
	if !errors.Is(err, context.Canceled) || offset != 7 {
		t.Fatalf("offset %d, %v", offset, err)
	}
	stop := errors.New("enough")
	log, path := testLog(t)
	_ = log.Append("stdout", []byte("one\ntwo\n"), noon)
	offset, err = FollowLog(context.Background(), path, 0, never, func(r Record) error {
		if string(r.Text) == "two" {
			return stop
		}
		return nil
	})
	if !errors.Is(err, stop) {
		t.Fatal(err)
	}
	write := sync.OnceValue(func() error { return log.Append("stdout", []byte("late\n"), noon) })
	late := func() bool { // written after a look that found nothing, and before done is true
		return write() == nil
	}
	var texts []string
	_, err = FollowLog(context.Background(), path, offset, late, func(r Record) error {
		texts = append(texts, string(r.Text))
		return nil
	})
	if err != nil || !slices.Equal(texts, []string{"two", "late"}) {
		t.Fatalf("went on with %q, %v", texts, err)
	}
}

func BenchmarkAppend(b *testing.B) {
	log, _ := testLog(b)
	chunk := bytes.Repeat([]byte("a line of output, as programs print them, of eighty characters and a newline...\n"), 12_000)
	b.SetBytes(int64(len(chunk)))
	for b.Loop() {
		if err := log.Append("stdout", chunk, noon); err != nil {
			b.Fatal(err)
		}
		if log.size > 200<<20 {
			_ = log.file.Truncate(0)
			log.size = 0
		}
	}
}

func BenchmarkReadLog(b *testing.B) {
	log, path := testLog(b)
	chunk := bytes.Repeat([]byte("a line of output, as programs print them, of eighty characters and a newline...\n"), 12_000)
	for range 20 {
		if err := log.Append("stdout", chunk, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(log.size)
	b.ReportAllocs()
	for b.Loop() {
		if err := ReadLog(path, func(Record) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
}
