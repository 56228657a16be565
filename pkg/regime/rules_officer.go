package regime

// OfficerRefused returns the rule by which an officer is not believed, or by which what is asked about officers can't be done; the
// reason is a word of pkg/officer.
func OfficerRefused(reason string) ID { return "officer." + reason }

// Officers and their signatures: no law says these (law.md 13.4).
var _ = []ID{
	rule(Rule{
		ID: "officer.unsigned", Source: "decided here: law.md 13.4",
		JA:     "職員の署名がないため、受け付けませんでした。この手続きには職員の署名が必要です。",
		EN:     "It has no signature of an officer, and needs one, so nothing was decided.",
		NextJA: "サインインして、もう一度手続きをしてください。",
		NextEN: "Sign in and take it again.",
	}),
	rule(Rule{
		ID: "officer.unknown-officer", Source: "decided here: law.md 13.4",
		JA:     "この窓口に、その番号の職員は登録されていません。",
		EN:     "This office has no officer of that code.",
		NextJA: "番号を確かめ、この窓口の管理者に登録してもらってください。",
		NextEN: "Check the code, and have the office's administrator enrol it.",
	}),
	rule(Rule{
		ID: "officer.ambiguous-officer", Source: "decided here: law.md 13.4",
		JA:     "その番号の職員が、この窓口に二人登録されています。",
		EN:     "Two officers act at this office under that code.",
		NextJA: "この窓口の管理者に、一人を別の番号で登録し直してもらってください。",
		NextEN: "Have the office's administrator enrol one of them under another code.",
	}),
	rule(Rule{
		ID: "officer.retired", Source: "decided here: law.md 13.4",
		JA:     "その職員の登録は終わっています。",
		EN:     "The officer was retired.",
		NextJA: "受け付けていないものとして、別の職員が改めて受け付けてください。",
		NextEN: "Nothing was decided: another officer takes it again.",
	}),
	rule(Rule{
		ID: "officer.out-of-term", Source: "decided here: law.md 13.4",
		JA:     "その職員の任期の外の日に受け付けたものです。",
		EN:     "It was received on a day outside the officer's term.",
		NextJA: "この窓口の管理者に任期を確かめてもらい、改めて受け付けてください。",
		NextEN: "Have the office's administrator check the term, and take it again.",
	}),
	rule(Rule{
		ID: "officer.role", Source: "decided here: law.md 13.4",
		JA:     "その職員の役割では、この手続きはできません。",
		EN:     "None of the officer's roles may do this.",
		NextJA: "できる役割の職員が改めて行ってください。",
		NextEN: "An officer with the right role does it again.",
	}),
	rule(Rule{
		ID: "officer.unknown-key", Source: "decided here: law.md 13.4",
		JA:     "署名したパスキーは、その職員のものとして登録されていないか、使用をやめたものです。",
		EN:     "The passkey that signed is not one of the officer's, or is no longer.",
		NextJA: "登録してあるパスキーでサインインし、改めて受け付けてください。",
		NextEN: "Sign in with a passkey that is enrolled, and take it again.",
	}),
	rule(Rule{
		ID: "officer.other-bytes", Source: "decided here: law.md 13.4",
		JA:     "職員の署名は、別の内容に対するものです。",
		EN:     "The officer's signature is over something else.",
		NextJA: "改めて受け付けてください。くり返すときは、この端末を使わずに上席者へ報告してください。",
		NextEN: "Take it again. If it happens again, stop using this counter and report it to a superior.",
	}),
	rule(Rule{
		ID: "officer.other-origin", Source: "decided here: law.md 13.4",
		JA:     "職員の署名は、別の場所（サイト）のために作られたものです。",
		EN:     "The officer's signature was made for another site.",
		NextJA: "この端末の窓口画面を開き直し、改めて受け付けてください。上席者にも報告してください。",
		NextEN: "Open the counter's own page and take it again, and report it to a superior.",
	}),
	rule(Rule{
		ID: "officer.user-not-verified", Source: "decided here: law.md 13.4",
		JA:     "パスキーが本人を確かめないまま署名しました。",
		EN:     "The passkey signed without verifying its user.",
		NextJA: "PIN や指紋で本人を確かめるパスキーを使ってください。",
		NextEN: "Use a passkey that asks for a PIN or a fingerprint.",
	}),
	rule(Rule{
		ID: "officer.signature", Source: "decided here: law.md 13.4",
		JA:     "職員の署名が正しくありません。",
		EN:     "The officer's signature is not the passkey's.",
		NextJA: "改めて受け付けてください。くり返すときは、上席者に報告してください。",
		NextEN: "Take it again. If it happens again, report it to a superior.",
	}),
	rule(Rule{
		ID: "officer.software-key", Source: "decided here: law.md 13.4",
		JA:     "ソフトウェアのパスキーは、デモと模擬の記録でだけ使えます。",
		EN:     "A passkey that a program holds is believed in demonstrations and simulations only.",
		NextJA: "セキュリティキーか端末のパスキーを登録してください。",
		NextEN: "Enrol a security key or the device's own passkey.",
	}),
	rule(Rule{
		ID: "officer.same-person", Source: "decided here: law.md 13.4",
		JA:     "頼んだ職員本人は、承認できません。",
		EN:     "Who has asked can't approve.",
		NextJA: "別の職員が承認してください。",
		NextEN: "Another officer approves it.",
	}),
	rule(Rule{
		ID: "officer.code-taken", Source: "decided here: law.md 13.4",
		JA:     "その番号は、この窓口で別の役所の職員が使っています。",
		EN:     "An officer of another office acts there under that code.",
		NextJA: "別の番号で登録してください。",
		NextEN: "Enrol the officer under another code.",
	}),
	rule(Rule{
		ID: "officer.ill-formed", Source: "decided here: law.md 13.4",
		JA:     "役割、役所、日付、範囲のどれかが正しくありません。",
		EN:     "A role, an office, a day or an area is not one.",
		NextJA: "入力を確かめて、もう一度行ってください。",
		NextEN: "Check what was entered, and do it again.",
	}),
	rule(Rule{
		ID: "officer.no-invitation", Source: "decided here: law.md 13.4",
		JA:     "その一回限りの番号の招待はないか、期限が過ぎたか、すでに使われています。",
		EN:     "No invitation has that one-time code, or it has ended or was used.",
		NextJA: "この窓口の管理者に、新しく招待してもらってください。",
		NextEN: "Have the office's administrator invite you again.",
	}),
	rule(Rule{
		ID: "officer.key-taken", Source: "decided here: law.md 13.4",
		JA:     "そのパスキーは、すでに登録されているか、確かめられない種類のものです。",
		EN:     "The passkey is enrolled already, or is of a kind that can't be verified.",
		NextJA: "別のパスキーを登録してください。",
		NextEN: "Enrol another passkey.",
	}),
	rule(Rule{
		ID: "officer.two-administrators", Source: "decided here: law.md 13.4",
		JA:     "パスキーを登録したことのある職員を招待し直すには、管理者二人が必要です。",
		EN:     "To invite an officer anew who has or had a passkey takes two administrators.",
		NextJA: "もう一人の管理者に承認してもらってください。使えなくなったパスキーは、先に使用をやめる届けを出せます。",
		NextEN: "Have another administrator approve it. A passkey that is lost can be given up first.",
	}),
	rule(Rule{
		ID: "officer.in-force", Source: "decided here: law.md 13.4",
		JA:     "署名が必要になった後で、必要な日を遅らせることはできません。",
		EN:     "Signatures are required already, and can't be waived by a later day.",
		NextJA: "今日より前からの必要はそのままです。",
		NextEN: "Nothing needs to be done: they stay required.",
	}),
}
