package player

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emersion/go-message"
	_ "github.com/emersion/go-message/charset" // ISO-2022-JP and others in mails

	"shomei/cmd/shomei-lab/story"
	"shomei/events"
)

// observe gathers what can be seen of a person; revision is the number of their commits before the step.
func (p *performance) observe(ctx context.Context, who story.Resident, revision int, out outcome, lists bool) (*story.Seen, error) {
	id := p.world.Subscriber(who)
	commits, err := p.world.Commits(ctx, id)
	if err != nil {
		return nil, err
	}
	s := &story.Seen{Life: story.Read(id, commits), Answer: out.answer, Trouble: out.trouble, Generation: p.generation, Lang: p.world.Lang}
	for _, c := range commits[min(revision, len(commits)):] {
		s.Fresh = append(s.Fresh, c.GetEvents()...)
	}
	if s.OnCard, err = p.onCard(s.Life); err != nil {
		return nil, err
	}
	if s.Mails, err = mailsTo(filepath.Join(p.world.Hub.Data, "mail"), who.Mail); err != nil {
		return nil, err
	}
	if lists {
		s.Listed, err = p.listed(ctx)
	}
	return s, err
}

func (p *performance) generation(keyID []byte) int {
	g, err := p.world.generations().ByKeyID(keyID)
	if err != nil {
		return 0
	}
	return g.Number
}

// onCard returns the certificates in the memory of the person's newest card.
func (p *performance) onCard(l *story.Life) (map[string]uint64, error) {
	held := make(map[string]uint64)
	for _, c := range slices.Backward(l.Cards) {
		if d := p.world.desks[p.world.cards[c.ID]]; d != nil {
			return held, readCardFile(d.file(c.ID), held)
		}
	}
	return held, nil
}

func readCardFile(file string, held map[string]uint64) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var memory struct {
		Kind  string `json:"kind"`
		Slots map[string]struct {
			Live struct {
				Certificate []byte `json:"certificate"`
			} `json:"live"`
		} `json:"slots"`
	}
	if err := json.Unmarshal(text, &memory); err != nil {
		return fmt.Errorf("reading the memory of a card: %w", err)
	}
	for slot, content := range memory.Slots {
		if len(content.Live.Certificate) == 0 {
			continue
		}
		certificate, err := x509.ParseCertificate(content.Live.Certificate)
		if err != nil {
			return fmt.Errorf("reading the certificate on a card: %w", err)
		}
		if memory.Kind == story.JukiKind {
			slot = story.JukiKind
		}
		held[slot] = certificate.SerialNumber.Uint64()
	}
	return nil
}

// mailsTo returns the decoded mails to an address, the oldest first.
func mailsTo(folder, address string) ([]string, error) {
	if address == "" {
		return nil, nil
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.eml"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var mails []string
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		text, to, err := decodeMail(raw)
		if err != nil {
			return nil, fmt.Errorf("reading mail %s: %w", filepath.Base(file), err)
		}
		if strings.Contains(to, address) {
			mails = append(mails, text)
		}
	}
	return mails, nil
}

// decodeMail returns subject and text of a mail, and its recipient.
func decodeMail(raw []byte) (text, to string, err error) {
	entity, err := message.Read(bytes.NewReader(raw))
	if err != nil {
		return "", "", err
	}
	subject, err := entity.Header.Text("Subject")
	if err != nil {
		return "", "", err
	}
	var b strings.Builder
	b.WriteString(subject + "\n")
	err = entity.Walk(func(_ []int, part *message.Entity, err error) error {
		if err != nil || part.MultipartReader() != nil {
			return err
		}
		body, err := io.ReadAll(part.Body)
		b.Write(body)
		return err
	})
	return b.String(), entity.Header.Get("To"), err
}

// listed publishes the revocation lists and returns the reasons on them, by serial.
func (p *performance) listed(ctx context.Context) (map[uint64]string, error) {
	if err := p.world.publish(ctx); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(p.world.Hub.Data, "crl", "*.crl"))
	if err != nil {
		return nil, err
	}
	all := make(map[uint64]string)
	for _, file := range files {
		if err := readList(file, all); err != nil {
			return nil, fmt.Errorf("reading %s: %w", filepath.Base(file), err)
		}
	}
	return all, nil
}

func readList(file string, all map[uint64]string) error {
	rest, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return nil
		}
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return err
		}
		for _, entry := range list.RevokedCertificateEntries {
			all[entry.SerialNumber.Uint64()] = story.Word(events.RevocationReason(entry.ReasonCode + 1))
		}
	}
}

// revisions returns the number of commits of each person.
func (p *performance) revisions(ctx context.Context) (map[string]int, error) {
	all := make(map[string]int)
	for nick, who := range p.people {
		commits, err := p.world.Commits(ctx, p.world.Subscriber(who))
		if err != nil {
			return nil, err
		}
		all[nick] = len(commits)
	}
	return all, nil
}
