package discover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// A script flow is a file with a block of comments among its first lines:
//
//	# /// flow
//	# name: archive
//	# parameters:
//	#   folder: {type: string}
//	# ///
//
// Any comment leader will do; the block is YAML.
const (
	maxBlockLine = 50
	blockStart   = "/// flow"
	blockEnd     = "///"
	// headSize is how much of a file is looked at for a block; fifty lines of
	// source fit many times over.
	headSize = 32 << 10
)

// scriptBlock is the YAML of a block.
type scriptBlock struct {
	Name              string    `yaml:"name"`
	Description       string    `yaml:"description"`
	Parameters        yaml.Node `yaml:"parameters"`
	Retries           *int      `yaml:"retries"`
	RetryDelaySeconds *float64  `yaml:"retry_delay_seconds"`
	RetryJitterFactor *float64  `yaml:"retry_jitter_factor"`
	RetriesOnCrash    *int      `yaml:"retries_on_crash"`
	TimeoutSeconds    *float64  `yaml:"timeout_seconds"`
}

var blockKeys = []string{
	"name", "description", "parameters", "retries", "retry_delay_seconds", "retry_jitter_factor", "retries_on_crash",
	"timeout_seconds",
}

// blockError is what is wrong with a block and in which line of the file.
type blockError struct {
	line int
	msg  string
}

func (e *blockError) Error() string { return e.msg }

// scriptFlow reads the block in a file's head; ok is false where there is none.
func scriptFlow(rel string, head []byte) (flow Flow, ok bool, err error) {
	if !bytes.Contains(head, []byte(blockStart)) {
		return Flow{}, false, nil
	}
	text, first, last, found, err := extractBlock(head)
	if !found || err != nil {
		return Flow{}, found, err
	}
	block, err := readBlock(text, first)
	if err != nil {
		return Flow{}, true, err
	}
	flow = plainScript(rel)
	flow.Line, flow.EndLine = first, last
	if block.Name != "" {
		flow.FlowName = block.Name
	}
	flow.Description = firstParagraph(block.Description)
	flow.Options = block.options()
	flow.Parameters, err = block.schema(first)
	return flow, true, err
}

// plainScript is an executable as a flow that declares nothing.
func plainScript(rel string) Flow {
	name := path.Base(rel)
	if stem := strings.TrimSuffix(name, path.Ext(name)); stem != "" {
		name = stem
	}
	return Flow{
		Entrypoint: rel, FlowName: strings.ReplaceAll(name, "_", "-"), QualifiedName: name, File: rel,
		Line: 1, EndLine: 1, Kind: KindScript, Deployable: true,
		Options: map[string]Option{}, Parameters: emptyParameters,
	}
}

// extractBlock cuts the block out of its comments. Lines are numbered from 1.
func extractBlock(head []byte) (text string, first, last int, found bool, err error) {
	lines := strings.Split(strings.ReplaceAll(string(head), "\r\n", "\n"), "\n")
	leader := ""
	var body []string
	for i, line := range lines {
		switch {
		case !found && i >= maxBlockLine:
			return "", 0, 0, false, nil
		case !found:
			before, ok := strings.CutSuffix(strings.TrimRight(line, " \t"), blockStart)
			if ok && isLeader(before) {
				found, first = true, i+1
				leader = strings.TrimRight(before, " \t")
			}
		case strings.TrimSpace(strings.TrimPrefix(line, leader)) == blockEnd:
			return strings.Join(body, "\n"), first, i + 1, true, nil
		default:
			rest, ok := strings.CutPrefix(line, leader)
			if !ok && strings.TrimSpace(line) != "" {
				return "", first, 0, true, &blockError{i + 1, fmt.Sprintf("the flow block has no closing %q before this line", strings.TrimSpace(leader+" "+blockEnd))}
			}
			body = append(body, strings.TrimPrefix(rest, " "))
		}
	}
	if found {
		err = &blockError{first, fmt.Sprintf("the flow block has no closing %q", strings.TrimSpace(leader+" "+blockEnd))}
	}
	return "", first, 0, found, err
}

// isLeader reports whether text can start a comment: punctuation such as #, //,
// -- or ;, or the word REM.
func isLeader(text string) bool {
	text = strings.TrimSpace(text)
	if text == "" || len(text) > 4 {
		return false
	}
	if strings.EqualFold(text, "rem") || strings.EqualFold(text, "@rem") {
		return true
	}
	return strings.Trim(text, "#/-;%*'!\"<.:|") == ""
}

// readBlock decodes the YAML strictly: a misspelt key would silently drop a
// timeout.
func readBlock(text string, first int) (scriptBlock, error) {
	var node yaml.Node
	if err := yaml.Unmarshal([]byte(text), &node); err != nil {
		return scriptBlock{}, yamlError(err, first)
	}
	if len(node.Content) == 0 {
		return scriptBlock{}, nil
	}
	root := node.Content[0]
	if root.Kind != yaml.MappingNode {
		return scriptBlock{}, &blockError{first + root.Line, "the flow block is not a mapping of keys to values"}
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i].Value
		if !contains(blockKeys, key) {
			return scriptBlock{}, &blockError{first + root.Content[i].Line, unknownKey(key, blockKeys)}
		}
	}
	var block scriptBlock
	if err := root.Decode(&block); err != nil {
		return scriptBlock{}, yamlError(err, first)
	}
	return block, nil
}

func contains(list []string, s string) bool {
	for _, one := range list {
		if one == s {
			return true
		}
	}
	return false
}

func unknownKey(key string, keys []string) string {
	if close := near(key, keys); len(close) > 0 {
		return fmt.Sprintf("unknown key %q in the flow block; did you mean %q?", key, close[0])
	}
	return fmt.Sprintf("unknown key %q in the flow block; it takes %s", key, strings.Join(keys, ", "))
}

// yamlError moves the line that yaml names from the block to the file.
func yamlError(err error, first int) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	msg = strings.TrimSpace(strings.TrimPrefix(msg, "unmarshal errors:"))
	var line int
	if n, _ := fmt.Sscanf(msg, "line %d:", &line); n == 1 {
		_, msg, _ = strings.Cut(msg, ": ")
	}
	return &blockError{first + line, "flow block: " + msg}
}

// options are named as a Python flow's are, so that callers see one kind.
func (b scriptBlock) options() map[string]Option {
	out := map[string]Option{}
	if b.Name != "" {
		out["name"] = Option{Literal: true, Value: b.Name}
	}
	if b.Retries != nil {
		out["retries"] = Option{Literal: true, Value: json.Number(fmt.Sprint(*b.Retries))}
	}
	if b.RetryDelaySeconds != nil {
		out["retry_delay_seconds"] = Option{Literal: true, Value: *b.RetryDelaySeconds}
	}
	if b.RetryJitterFactor != nil {
		out["retry_jitter_factor"] = Option{Literal: true, Value: *b.RetryJitterFactor}
	}
	if b.RetriesOnCrash != nil {
		out["retries_on_crash"] = Option{Literal: true, Value: json.Number(fmt.Sprint(*b.RetriesOnCrash))}
	}
	if b.TimeoutSeconds != nil {
		out["timeout_seconds"] = Option{Literal: true, Value: *b.TimeoutSeconds}
	}
	return out
}

// schema makes the object schema of the block's properties: a property without
// a default must be given.
func (b scriptBlock) schema(first int) (json.RawMessage, error) {
	props, required := object{}, []any{}
	if b.Parameters.Kind != 0 && b.Parameters.Tag != "!!null" {
		if b.Parameters.Kind != yaml.MappingNode {
			return nil, &blockError{first + b.Parameters.Line, "parameters is not a mapping of names to JSON Schemas"}
		}
		for i := 0; i+1 < len(b.Parameters.Content); i += 2 {
			name, node := b.Parameters.Content[i], b.Parameters.Content[i+1]
			value, err := fromYAML(node, 0)
			if err != nil {
				return nil, &blockError{first + node.Line, err.Error()}
			}
			schema, ok := value.(object)
			if !ok {
				return nil, &blockError{first + node.Line, fmt.Sprintf("parameter %s is not a JSON Schema such as {type: string, default: x}", name.Value)}
			}
			if !schema.has("title") {
				schema = schema.with("title", name.Value)
			}
			if !schema.has("default") {
				required = append(required, name.Value)
			}
			props = append(props, member{name.Value, schema.with("position", i/2)})
		}
	}
	out := object{{"title", "Parameters"}, {"type", "object"}, {"properties", props}}
	if len(required) > 0 {
		out = append(out, member{"required", required})
	}
	var buf bytes.Buffer
	if err := encode(&buf, out); err != nil {
		return nil, &blockError{first, err.Error()}
	}
	return buf.Bytes(), nil
}

// maxYAMLDepth bounds aliases that contain themselves.
const maxYAMLDepth = 50

// fromYAML keeps the order of mappings.
func fromYAML(node *yaml.Node, depth int) (any, error) {
	if depth > maxYAMLDepth {
		return nil, errors.New("nested too deeply")
	}
	switch node.Kind {
	case yaml.AliasNode:
		return fromYAML(node.Alias, depth+1)
	case yaml.MappingNode:
		out := object{}
		for i := 0; i+1 < len(node.Content); i += 2 {
			value, err := fromYAML(node.Content[i+1], depth+1)
			if err != nil {
				return nil, err
			}
			out = out.with(node.Content[i].Value, value)
		}
		return out, nil
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range node.Content {
			value, err := fromYAML(item, depth+1)
			if err != nil {
				return nil, err
			}
			out = append(out, value)
		}
		return out, nil
	}
	if node.Tag == "!!timestamp" { // a date stays the text that it is
		return node.Value, nil
	}
	var value any
	if err := node.Decode(&value); err != nil {
		return nil, err
	}
	return value, nil
}

// readHead reads the first part of a file.
func readHead(root, rel string) ([]byte, error) {
	f, err := os.Open(filepath.Join(root, filepath.FromSlash(rel)))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, headSize)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return head[:n], nil
}
