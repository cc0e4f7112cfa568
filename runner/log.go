package runner

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"runnel/store"
)

const (
	// maxText is the most text that one record carries, as container runtimes
	// cut it; what is longer goes on in the next record.
	maxText = 16 << 10

	// maxWrite bounds the output buffer: a chunk of nothing but newlines grows
	// fortyfold as records, and memory must stay flat.
	maxWrite = 1 << 20

	// holdTime is how often held beginnings of lines are looked at. One that
	// was there at the look before is written as it is, so that a follower sees
	// a prompt or a progress bar after one to two of them.
	holdTime = 50 * time.Millisecond

	stampLayout = "2006-01-02T15:04:05.000000Z"
	stampLength = len(stampLayout)
)

// Log is the output of one attempt: a file of records in the form of container
// runtimes (CRI),
//
//	2026-11-23T08:51:21.123456Z stdout F text
//
// with P instead of F where the line goes on in the stream's next record. The
// bytes of a stream are the texts in order, with a newline after each F.
// It is safe for several goroutines.
type Log struct {
	file *os.File
	lock *os.File

	mu      sync.Mutex
	streams []*logStream
	out     []byte // records that wait for the write at the end of Append
	size    int64  // where the last whole record ends
	torn    bool   // a failed write left half a record after size
	err     error  // the first failure
	timer   *time.Timer
	waiting bool // the timer runs
	closed  bool
}

// logStream is what a Log keeps between two chunks of one stream.
type logStream struct {
	name   string
	prefix []byte // stamp, name, flag and spaces of the newest chunk
	held   []byte // the beginning of a line whose end has not come
	line   uint64 // counts lines, so that the timer knows one from the next
	seen   uint64 // the line that the timer saw last
}

// CreateLog makes the log of an attempt, which must not be there yet, with its
// folders, and takes the exclusive lock that says "this attempt lives".
func CreateLog(path string) (*Log, error) {
	log, err := createLogIn(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return log, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make log folder: %w", err)
	}
	return createLogIn(path)
}

// createLogIn is CreateLog where the folder is there.
func createLogIn(path string) (*Log, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, fmt.Errorf("create log: %w", err)
	}
	store.KillPoint("log.made")
	log, err := newLog(file, path)
	if err == nil {
		if err = lockExclusive(log.lock); err == nil {
			return log, nil
		}
		err = errors.Join(fmt.Errorf("lock log: %w", err), log.Close())
	}
	// A log that stays says that the attempt may have started.
	return nil, errors.Join(err, os.Remove(path))
}

// become makes an unused log, which lies at from, that of an attempt: its lock is
// held before it is there. It is an error as of CreateLog where there is one
// already, errors.ErrUnsupported where this is not known here.
func (l *Log) become(from, path string) error {
	err := renameNew(from, path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return fmt.Errorf("make log folder: %w", err)
		}
		err = renameNew(from, path)
	}
	if err != nil {
		return fmt.Errorf("create log: %w", err)
	}
	store.KillPoint("log.named")
	return nil
}

// OpenLogForAppend opens the log of an attempt whose slot died, to write on. A
// record that the dead writer left half written is kept as one that goes on.
// The lock is not taken: the flow holds it. TryLock asks for it.
func OpenLogForAppend(path string) (*Log, error) {
	size, err := mendTail(path)
	if err != nil {
		return nil, fmt.Errorf("mend log: %w", err)
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	log, err := newLog(file, path)
	if err != nil {
		return nil, err
	}
	log.size = size
	return log, nil
}

// newLog opens the second, read-only description that carries the lock. It is
// one of its own because children inherit it, and must not write the log by it.
func newLog(file *os.File, path string) (*Log, error) {
	lock, err := os.Open(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open log: %w", err), file.Close())
	}
	surviveFileSizeSignal()
	return &Log{file: file, lock: lock}, nil
}

// LockFile is the read-only description that carries the attempt's lock. Pass
// it to every process of the attempt (Spec.Extra): the lock is free when the
// last one is gone.
func (l *Log) LockFile() *os.File { return l.lock }

// TryLock takes the attempt's lock if nobody holds it any more; an adopter
// learns by it that the flow it did not start is gone.
func (l *Log) TryLock() (bool, error) {
	err := lockExclusive(l.lock)
	if errors.Is(err, ErrLocked) {
		return false, nil
	}
	return err == nil, err
}

// Append writes what a stream brought at one time, usually in one write. After
// a failure, on a full disk say, it tries again with the next chunk.
func (l *Log) Append(stream string, chunk []byte, at time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return os.ErrClosed
	}
	s := l.stream(stream)
	s.stamp(at)
	for len(chunk) > 0 {
		end := bytes.IndexByte(chunk, '\n')
		if end < 0 {
			l.hold(s, chunk)
			break
		}
		l.endLine(s, chunk[:end])
		chunk = chunk[end+1:]
	}
	if len(s.held) > 0 {
		l.wake()
	}
	return l.write()
}

// Flush writes the beginning of a line that a stream left, as a P record.
func (l *Log) Flush(stream string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.release(l.stream(stream))
	return l.write()
}

// Empty is true where nothing has been written; of no log it is not known.
func (l *Log) Empty() bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.size == 0 && !l.torn
}

// Err returns the first failure to write, or nil.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close writes what is held, closes the file and lets this process's hold on
// the lock go; processes that inherited it still hold it. It returns Err.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return l.err
	}
	for _, s := range l.streams {
		l.release(s)
	}
	_ = l.write()
	l.closed = true
	if l.timer != nil {
		l.timer.Stop()
	}
	return errors.Join(l.err, l.file.Close(), l.lock.Close())
}

func (l *Log) stream(name string) *logStream {
	for _, s := range l.streams {
		if s.name == name {
			return s
		}
	}
	s := &logStream{name: name}
	l.streams = append(l.streams, s)
	return s
}

func (s *logStream) stamp(at time.Time) {
	s.prefix = at.UTC().AppendFormat(s.prefix[:0], stampLayout)
	s.prefix = append(s.prefix, ' ')
	s.prefix = append(s.prefix, s.name...)
	s.prefix = append(s.prefix, " F "...)
}

// endLine adds the record, or the records, of a line that ends with text.
func (l *Log) endLine(s *logStream, text []byte) {
	text = l.cut(s, text)
	l.put(s, 'F', text)
	s.line++
}

// hold keeps the beginning of a line, and writes what is too long to keep.
func (l *Log) hold(s *logStream, text []byte) {
	s.held = append(s.held, l.cut(s, text)...)
}

// cut writes P records until held and text fit in one, and returns the rest.
func (l *Log) cut(s *logStream, text []byte) []byte {
	for len(s.held)+len(text) > maxText {
		n := maxText - len(s.held)
		l.put(s, 'P', text[:n])
		text = text[n:]
	}
	return text
}

func (l *Log) release(s *logStream) {
	if len(s.held) > 0 {
		l.put(s, 'P', nil)
	}
}

// put adds one record of what is held and text to the output.
func (l *Log) put(s *logStream, flag byte, text []byte) {
	s.prefix[len(s.prefix)-2] = flag
	l.out = append(l.out, s.prefix...)
	if len(s.held) > 0 {
		l.out = append(l.out, s.held...)
		s.held = s.held[:0]
	}
	l.out = append(l.out, text...)
	l.out = append(l.out, '\n')
	if len(l.out) >= maxWrite {
		_ = l.write() // Append's caller learns of it by Err
	}
}

// write sends the waiting records to the file. On a failure it cuts the file
// back to its last whole record, so that a later write starts on a line of its
// own, and remembers the first error.
func (l *Log) write() error {
	if len(l.out) == 0 {
		return nil
	}
	out := l.out
	l.out = l.out[:0]
	if l.torn && l.file.Truncate(l.size) != nil {
		return l.err
	}
	l.torn = false
	n, err := l.file.Write(out)
	if err == nil {
		l.size += int64(n)
		return nil
	}
	whole := bytes.LastIndexByte(out[:n], '\n') + 1
	l.size += int64(whole)
	l.torn = n > whole && l.file.Truncate(l.size) != nil
	if l.err == nil {
		l.err = fmt.Errorf("write log: %w", err)
	}
	return err
}

// wake starts the timer that writes beginnings of lines that wait too long.
func (l *Log) wake() {
	if l.waiting {
		return
	}
	l.waiting = true
	if l.timer == nil {
		l.timer = time.AfterFunc(holdTime, l.look)
		return
	}
	l.timer.Reset(holdTime)
}

func (l *Log) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = false
	if l.closed {
		return
	}
	for _, s := range l.streams {
		switch {
		case len(s.held) == 0:
		case s.seen == s.line+1:
			l.release(s)
		default:
			s.seen = s.line + 1 // plus one: no line was seen at first
			l.wake()
		}
	}
	_ = l.write()
}

// mendTail makes the file end with a whole record and returns its size. A torn
// record with a whole header becomes a P record: its line goes on in what the
// adopter reads, and no byte that reached the disk is given up.
func mendTail(path string) (int64, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	start := max(0, info.Size()-4*maxText)
	tail, err := io.ReadAll(io.NewSectionReader(file, start, info.Size()-start))
	if err != nil {
		return 0, err
	}
	whole := bytes.LastIndexByte(tail, '\n') + 1
	torn := tail[whole:]
	end := start + int64(whole)
	if len(torn) == 0 {
		return end, nil
	}
	header := headerLength(torn)
	if header == 0 {
		return end, file.Truncate(end)
	}
	if _, err := file.WriteAt([]byte{'\n'}, info.Size()); err != nil {
		return 0, err
	}
	_, err = file.WriteAt([]byte{'P'}, end+int64(header)-2)
	return info.Size() + 1, err
}
