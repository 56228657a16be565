// Command asyncapi writes the AsyncAPI 3.0 document of the contract from the .proto files, whose comments become
// descriptions. go generate in package events runs it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: asyncapi MODULE-ROOT OUTPUT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "asyncapi:", err)
		os.Exit(1)
	}
}

func run(root, output string) error {
	text, err := render(root)
	if err != nil {
		return err
	}
	return os.WriteFile(output, text, 0o644)
}

// render returns the document as indented JSON. root is the folder of go.mod and buf.yaml.
func render(root string) ([]byte, error) {
	files, err := describeContract(root)
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(document(files), "", "  ")
	if err != nil {
		return nil, fmt.Errorf("writing the document: %w", err)
	}
	return append(text, '\n'), nil
}

// describeContract gets descriptors with comments from buf: those in the generated Go code have none.
func describeContract(root string) ([]protoreflect.FileDescriptor, error) {
	buf := exec.Command("go", "tool", "-modfile="+filepath.Join("deploy", "tools", "go.mod"), "buf", "build", "-o", "-#format=binpb")
	buf.Dir = root
	var stderr bytes.Buffer
	buf.Stderr = &stderr
	image, err := buf.Output()
	if err != nil {
		return nil, fmt.Errorf("describing the .proto files with buf build (%s): %w", strings.TrimSpace(stderr.String()), err)
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(image, &set); err != nil {
		return nil, fmt.Errorf("reading buf's descriptors: %w", err)
	}
	registry, err := protodesc.NewFiles(&set)
	if err != nil {
		return nil, fmt.Errorf("linking buf's descriptors: %w", err)
	}
	var files []protoreflect.FileDescriptor
	registry.RangeFiles(func(file protoreflect.FileDescriptor) bool {
		files = append(files, file)
		return true
	})
	slices.SortFunc(files, func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) })
	return files, nil
}
