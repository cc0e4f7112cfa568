package discover

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/korean"
	"golang.org/x/text/encoding/simplifiedchinese"
	"golang.org/x/text/encoding/traditionalchinese"
	"golang.org/x/text/unicode/norm"
)

// maxSource is the size of the largest Python file that is read. The offsets of
// tokens are 32 bits wide, and no one writes such a file by hand.
const maxSource = 64 << 20

// decode turns the bytes of a file into the text that Python sees: by its byte
// order mark or PEP 263 cookie, with \n as the only newline.
func decode(raw []byte) (string, error) {
	if len(raw) > maxSource {
		return "", fmt.Errorf("larger than %d MiB", maxSource>>20)
	}
	raw, bom := bytes.CutPrefix(raw, []byte("\xef\xbb\xbf"))
	name := cookie(raw)
	if bom && name != "" && name != "utf-8" {
		return "", fmt.Errorf("encoding problem: %s with a UTF-8 byte order mark", name)
	}
	text, err := decodeAs(raw, name)
	if err != nil {
		return "", err
	}
	if strings.IndexByte(text, 0) >= 0 {
		return "", fmt.Errorf("source code cannot contain null bytes")
	}
	if strings.IndexByte(text, '\r') >= 0 {
		text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	}
	return text, nil
}

// cookie is the normalised encoding that a comment in the first two lines names
// (PEP 263), or "". The second line counts only when the first is blank or a
// comment.
func cookie(raw []byte) string {
	for range 2 {
		end := bytes.IndexAny(raw, "\r\n")
		line := raw
		if end >= 0 {
			line = raw[:end]
		}
		trimmed := bytes.TrimLeft(line, " \t\f")
		if len(trimmed) > 0 && trimmed[0] != '#' {
			return ""
		}
		if name := cookieIn(trimmed); name != "" {
			return name
		}
		if end < 0 {
			return ""
		}
		if raw[end] == '\r' && end+1 < len(raw) && raw[end+1] == '\n' {
			end++
		}
		raw = raw[end+1:]
	}
	return ""
}

// cookieIn finds coding[:=] name in a comment.
func cookieIn(comment []byte) string {
	for {
		_, after, found := bytes.Cut(comment, []byte("coding"))
		if !found {
			return ""
		}
		comment = after
		if len(after) == 0 || after[0] != ':' && after[0] != '=' {
			continue
		}
		rest := bytes.TrimLeft(after[1:], " \t")
		n := 0
		for n < len(rest) && (isNameByte(rest[n]) && rest[n] < utf8.RuneSelf || rest[n] == '-' || rest[n] == '.') {
			n++
		}
		if n > 0 {
			return normaliseEncoding(string(rest[:n]))
		}
	}
}

// normaliseEncoding folds the spellings of UTF-8 and Latin-1 as Python's
// tokenizer does; utf-8-unix is an Emacs habit.
func normaliseEncoding(name string) string {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	for _, known := range [...]string{"utf-8", "latin-1", "iso-8859-1", "iso-latin-1"} {
		if name == known || strings.HasPrefix(name, known+"-") {
			if known == "utf-8" {
				return known
			}
			return "iso-8859-1"
		}
	}
	return name
}

// decodeAs decodes by a normalised name. What Python would refuse must fail here
// too: a file that is half read gives wrong flows.
func decodeAs(raw []byte, name string) (string, error) {
	switch name {
	case "", "utf-8", "utf8", "u8", "utf", "utf-8-sig", "cp65001":
		if i := invalidUTF8(raw); i >= 0 {
			line := 1 + bytes.Count(raw[:i], []byte("\n"))
			return "", fmt.Errorf("line %d is not valid UTF-8, and no encoding is declared", line)
		}
		return string(raw), nil
	case "ascii", "us-ascii", "646":
		for _, c := range raw {
			if c >= utf8.RuneSelf {
				return "", fmt.Errorf("declared as ASCII, but holds other characters")
			}
		}
		return string(raw), nil
	}
	enc := encodings[strings.ReplaceAll(name, "-", "")]
	if enc == nil {
		return "", fmt.Errorf("unknown encoding: %s", name)
	}
	if single, ok := enc.(*charmap.Charmap); ok {
		return decodeSingle(raw, single, name)
	}
	text, err := enc.NewDecoder().Bytes(raw)
	if err != nil || bytes.ContainsRune(text, utf8.RuneError) {
		return "", fmt.Errorf("not valid %s", name)
	}
	return string(text), nil
}

// decodeSingle reads an encoding of one byte a character. Python gives the C1
// controls of the ISO encodings their own code points; the tables here do not.
func decodeSingle(raw []byte, enc *charmap.Charmap, name string) (string, error) {
	var b strings.Builder
	b.Grow(len(raw) + len(raw)/8)
	for _, c := range raw {
		r := enc.DecodeByte(c)
		if r == utf8.RuneError && 0x80 <= c && c < 0xA0 && strings.HasPrefix(name, "iso") {
			r = rune(c)
		}
		if r == utf8.RuneError {
			return "", fmt.Errorf("not valid %s", name)
		}
		b.WriteRune(r)
	}
	return b.String(), nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(raw []byte) int {
	if utf8.Valid(raw) {
		return -1
	}
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
	return -1
}

// encodings are the ones that Python sources declare in the wild, under the
// names of Python's codecs with the dashes left out.
var encodings = map[string]encoding.Encoding{
	"iso88591": charmap.ISO8859_1, "latin1": charmap.ISO8859_1, "latin": charmap.ISO8859_1, "l1": charmap.ISO8859_1, "8859": charmap.ISO8859_1, "cp819": charmap.ISO8859_1,
	"iso88592": charmap.ISO8859_2, "latin2": charmap.ISO8859_2, "iso88593": charmap.ISO8859_3, "iso88594": charmap.ISO8859_4,
	"iso88595": charmap.ISO8859_5, "cyrillic": charmap.ISO8859_5, "iso88596": charmap.ISO8859_6, "iso88597": charmap.ISO8859_7, "greek": charmap.ISO8859_7,
	"iso88598": charmap.ISO8859_8, "iso88599": charmap.ISO8859_9, "latin5": charmap.ISO8859_9, "iso885910": charmap.ISO8859_10,
	"iso885913": charmap.ISO8859_13, "iso885914": charmap.ISO8859_14, "iso885915": charmap.ISO8859_15, "latin9": charmap.ISO8859_15, "iso885916": charmap.ISO8859_16,
	"koi8r": charmap.KOI8R, "koi8u": charmap.KOI8U, "macroman": charmap.Macintosh, "maccyrillic": charmap.MacintoshCyrillic,
	"cp437": charmap.CodePage437, "cp850": charmap.CodePage850, "cp852": charmap.CodePage852, "cp855": charmap.CodePage855, "cp858": charmap.CodePage858,
	"cp860": charmap.CodePage860, "cp862": charmap.CodePage862, "cp863": charmap.CodePage863, "cp865": charmap.CodePage865, "cp866": charmap.CodePage866, "cp874": charmap.Windows874,
	"cp1250": charmap.Windows1250, "windows1250": charmap.Windows1250, "cp1251": charmap.Windows1251, "windows1251": charmap.Windows1251,
	"cp1252": charmap.Windows1252, "windows1252": charmap.Windows1252, "cp1253": charmap.Windows1253, "windows1253": charmap.Windows1253,
	"cp1254": charmap.Windows1254, "windows1254": charmap.Windows1254, "cp1255": charmap.Windows1255, "windows1255": charmap.Windows1255,
	"cp1256": charmap.Windows1256, "windows1256": charmap.Windows1256, "cp1257": charmap.Windows1257, "windows1257": charmap.Windows1257, "cp1258": charmap.Windows1258,
	"eucjp": japanese.EUCJP, "ujis": japanese.EUCJP, "shiftjis": japanese.ShiftJIS, "sjis": japanese.ShiftJIS, "cp932": japanese.ShiftJIS, "ms932": japanese.ShiftJIS, "iso2022jp": japanese.ISO2022JP,
	"euckr": korean.EUCKR, "cp949": korean.EUCKR, "uhc": korean.EUCKR,
	"gbk": simplifiedchinese.GBK, "cp936": simplifiedchinese.GBK, "gb2312": simplifiedchinese.GBK, "euccn": simplifiedchinese.GBK, "gb18030": simplifiedchinese.GB18030, "hz": simplifiedchinese.HZGB2312,
	"big5": traditionalchinese.Big5, "cp950": traditionalchinese.Big5,
}

// normalise is PEP 3131: identifiers that look alike in NFKC are one.
func normalise(name string) string {
	for i := range len(name) {
		if name[i] >= utf8.RuneSelf {
			return norm.NFKC.String(name)
		}
	}
	return name
}
