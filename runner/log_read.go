package runner

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"time"
)

const (
	// readSize holds several of the longest records, and keeps a reader's
	// memory flat however long the log is.
	readSize = 256 << 10
	// readFirst is enough for most logs: a worker follows one a run.
	readFirst = 8 << 10

	// A follower looks again soon while output comes, and seldom when none does.
	pollFirst = 10 * time.Millisecond
	pollLast  = 100 * time.Millisecond
)

// Record is one line of a log file.
type Record struct {
	Time    time.Time // UTC, to the microsecond
	Stream  string    // "stdout" or "stderr"
	Partial bool      // the line goes on in the stream's next record
	Text    []byte    // without the newline
}

// ReadLog calls visit with each record of a log in order. The record's text is
// valid until visit returns. Memory is flat. A line that is no record (the
// torn end of a writer that was killed, zeros after a power cut) is left out.
func ReadLog(path string, visit func(Record) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	return newLogReader(file, 0).readAll(visit)
}

// TailLog returns the last n lines, with the records of a line joined, and the
// offset behind them from which FollowLog goes on. A last line that has not
// ended is among them, as Partial. It reads the end of the file only.
func TailLog(path string, n int) ([]Record, int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	for window := int64(readSize); ; window *= 4 {
		start := max(0, info.Size()-window)
		lines, end, err := tailFrom(io.NewSectionReader(file, 0, info.Size()), start)
		if err != nil {
			return nil, 0, err
		}
		if start == 0 || len(lines) >= n {
			return lines[max(0, len(lines)-max(0, n)):], end, nil
		}
	}
}

// tailFrom joins the lines that begin at or behind start. Where start is not
// the file's, the first line of each stream may lack its beginning: it is left
// out.
func tailFrom(file io.ReaderAt, start int64) ([]Record, int64, error) {
	var lines []Record
	open := map[string]int{} // stream to the index of its unfinished line
	whole := map[string]bool{}
	reader := newLogReader(file, start)
	reader.torn = start > 0
	err := reader.readAll(func(r Record) error {
		if start > 0 && !whole[r.Stream] {
			whole[r.Stream] = !r.Partial
			return nil
		}
		i, joined := open[r.Stream]
		if !joined {
			i = len(lines)
			lines = append(lines, Record{Time: r.Time, Stream: r.Stream})
		}
		lines[i].Text = append(lines[i].Text, r.Text...)
		lines[i].Partial = r.Partial
		delete(open, r.Stream)
		if r.Partial {
			open[r.Stream] = i
		}
		return nil
	})
	return lines, reader.offset, err
}

// FollowLog calls visit with each record from an offset on, those that are
// still to come included, and returns the offset to go on from. It ends when
// done was true before a look that found nothing new, or with ctx's error. A
// file that is not there yet is waited for.
func FollowLog(ctx context.Context, path string, from int64, done func() bool, visit func(Record) error) (int64, error) {
	f := follower{reader: newLogReader(nil, from), path: path}
	defer f.close()
	poll, last := pollFirst, false
	for {
		found, err := f.look(visit)
		switch {
		case err != nil:
			return f.reader.offset, err
		case ctx.Err() != nil:
			return f.reader.offset, ctx.Err()
		case found:
			poll, last = pollFirst, false
			runtime.Gosched() // a flow that prints without end is no reason for others to wait
			continue
		case last:
			return f.reader.offset, nil
		}
		// Asked before the next look, or what came between them is missed.
		if last = done(); last {
			continue
		}
		sleep(ctx, poll)
		poll = min(poll*5/4, pollLast)
	}
}

type follower struct {
	reader *logReader
	path   string
	file   *os.File
}

func (f *follower) look(visit func(Record) error) (bool, error) {
	if f.file == nil {
		file, err := os.Open(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		f.file, f.reader.file = file, file
	}
	return f.reader.read(visit)
}

func (f *follower) close() {
	if f.file != nil {
		_ = f.file.Close()
	}
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// CopyRaw writes the exact bytes that the flow wrote to the named streams, or
// to all where none is named.
func CopyRaw(w io.Writer, path string, streams ...string) error {
	out := bufio.NewWriterSize(w, readSize)
	err := ReadLog(path, func(r Record) error {
		if len(streams) > 0 && !slices.Contains(streams, r.Stream) {
			return nil
		}
		_, err := out.Write(r.Text)
		if err == nil && !r.Partial {
			err = out.WriteByte('\n')
		}
		return err
	})
	return errors.Join(err, out.Flush())
}

// logReader reads whole records from an offset, which moves behind each one
// that was visited.
type logReader struct {
	file   io.ReaderAt
	offset int64
	buf    []byte
	torn   bool // the offset is inside a line, whose rest is no record

	stamp []byte    // the newest record's, as written: those of a chunk share
	time  time.Time // it, and parsing it once is most of the speed
}

func newLogReader(file io.ReaderAt, from int64) *logReader {
	return &logReader{file: file, offset: from, buf: make([]byte, readFirst)}
}

func (r *logReader) readAll(visit func(Record) error) error {
	for {
		found, err := r.read(visit)
		if err != nil || !found {
			return err
		}
	}
}

// read visits what one buffer holds, and says whether the offset moved.
func (r *logReader) read(visit func(Record) error) (bool, error) {
	n, err := r.file.ReadAt(r.buf, r.offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	rest := r.buf[:n]
	for {
		end := bytes.IndexByte(rest, '\n')
		if end < 0 {
			break
		}
		record, ok := r.parse(rest[:end])
		if ok && !r.torn {
			if err := visit(record); err != nil {
				return true, err
			}
		}
		r.torn = false
		r.offset += int64(end) + 1
		rest = rest[end+1:]
	}
	found := len(rest) < n
	switch {
	case n < len(r.buf):
	case len(r.buf) < readSize:
		r.buf = make([]byte, readSize)
		return true, nil
	case !found: // no record is that long
		r.torn = true
		r.offset += int64(n)
		return true, nil
	}
	return found, nil
}

func (r *logReader) parse(line []byte) (Record, bool) {
	header := headerLength(line)
	if header == 0 {
		return Record{}, false
	}
	if stamp := line[:stampLength]; !bytes.Equal(stamp, r.stamp) {
		at, err := time.Parse(stampLayout, string(stamp))
		if err != nil {
			return Record{}, false
		}
		r.stamp, r.time = append(r.stamp[:0], stamp...), at
	}
	return Record{
		Time:    r.time,
		Stream:  streamName(line[stampLength+1 : header-3]),
		Partial: line[header-2] == 'P',
		Text:    line[header:],
	}, true
}

// headerLength is the length of a record's stamp, stream and flag with the
// spaces behind them, or 0 where the line does not begin with those.
func headerLength(line []byte) int {
	if len(line) < stampLength+1 || line[stampLength-1] != 'Z' || line[stampLength] != ' ' {
		return 0
	}
	space := bytes.IndexByte(line[stampLength+1:], ' ')
	header := stampLength + 1 + space + 3
	if space < 1 || len(line) < header || line[header-1] != ' ' {
		return 0
	}
	if flag := line[header-2]; flag != 'F' && flag != 'P' {
		return 0
	}
	return header
}

// streamName spares an allocation a record.
func streamName(name []byte) string {
	switch string(name) {
	case "stdout":
		return "stdout"
	case "stderr":
		return "stderr"
	}
	return string(name)
}
