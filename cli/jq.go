package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/itchyny/gojq"
)

// Validate refuses a --jq that cannot be, before a command does anything.
func (f outputFlag) Validate() error {
	if f.JQ == "" {
		return nil
	}
	_, err := compileJQ(f.JQ)
	return err
}

func compileJQ(expression string) (*gojq.Code, error) {
	query, err := gojq.Parse(expression)
	if err != nil {
		return nil, usage("--jq: %v", err)
	}
	// No environment: what is printed shall not depend on it.
	code, err := gojq.Compile(query)
	if err != nil {
		return nil, usage("--jq: %v", err)
	}
	return code, nil
}

// printJQ prints what an expression makes of a value, a line each: text as it
// is, all else as JSON.
func (s *IO) printJQ(value any, expression string) error {
	code, err := compileJQ(expression)
	if err != nil {
		return err
	}
	input, err := decoded(value)
	if err != nil {
		return err
	}
	results := code.Run(input)
	for {
		result, more := results.Next()
		if !more {
			return nil
		}
		if err, isError := result.(error); isError {
			var halt *gojq.HaltError
			if errors.As(err, &halt) && halt.Value() == nil {
				return nil
			}
			return fmt.Errorf("--jq: %w", err)
		}
		if text, isText := result.(string); isText {
			s.print("%s", text)
		} else if err := s.printJSON(result, ""); err != nil {
			return err
		}
	}
}

// decoded is a value by way of JSON: maps and lists, with its JSON names.
func decoded(value any) (plain any, err error) {
	var b bytes.Buffer
	if err := encodeJSON(&b, value, ""); err != nil {
		return nil, err
	}
	return plain, json.Unmarshal(b.Bytes(), &plain)
}
