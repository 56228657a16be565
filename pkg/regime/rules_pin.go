package regime

// The form of a PIN and its number of tries.
var (
	jukiPINLength = rule(Rule{
		ID: "juki.pin.length", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Ichikai, Kochi; law.md 6.1",
		JA:     "暗証番号は4文字以上16文字以下です。", EN: "The PIN has 4 to 16 characters.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	jukiPINChars = rule(Rule{
		ID: "juki.pin.characters", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Ichikai, Kochi; law.md 6.1",
		JA:     "暗証番号に使えるのは半角の英数字だけです。", EN: "The PIN is made of half-width letters and digits only.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	jukiPINTries = rule(Rule{
		ID: "juki.pin.tries", From: JukiFirstDay, Until: JukiRunOffDay,
		Source: "muni:Ichikai, Kochi; law.md 6.1",
		JA:     "暗証番号を5回続けて間違えるとロックされます。", EN: "Five wrong tries in a row block the PIN.",
		NextJA: "窓口で暗証番号の再設定を申請してください。", NextEN: "Apply for a reset of the PIN at the counter.",
	})
	signPINLength = rule(Rule{
		ID: "mynumber.pin.sign-length", From: MyNumberFirstDay,
		Source: "muni:Nabari; law.md 6.2",
		JA:     "署名用の暗証番号は6文字以上16文字以下です。", EN: "The signature PIN has 6 to 16 characters.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	signPINChars = rule(Rule{
		ID: "mynumber.pin.sign-characters", From: MyNumberFirstDay,
		Source: "muni:Nabari; law.md 6.2",
		JA:     "署名用の暗証番号に使えるのは半角の英大文字(AからZ)と数字だけです。", EN: "The signature PIN is made of upper-case letters A–Z and digits only.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	signPINMixed = rule(Rule{
		ID: "mynumber.pin.sign-mixed", From: MyNumberFirstDay,
		Source: "muni:Nabari; law.md 6.2",
		JA:     "署名用の暗証番号には、英大文字と数字の両方が必要です。", EN: "The signature PIN must hold both letters and digits.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	signPINTries = rule(Rule{
		ID: "mynumber.pin.sign-tries", From: MyNumberFirstDay,
		Source: "muni:Nabari; opensc; law.md 6.2",
		JA:     "署名用の暗証番号を5回続けて間違えるとロックされます。", EN: "Five wrong tries in a row block the signature PIN.",
		NextJA: "お住まいの市区町村の窓口、またはコンビニのキオスク端末とアプリで初期化できます。",
		NextEN: "Have it reset at the counter of residence, or at a kiosk with the app while the other PIN is known.",
	})
	fourDigits = rule(Rule{
		ID: "mynumber.pin.four-digits", From: MyNumberFirstDay,
		Source: "muni:Nabari; law.md 6.2",
		JA:     "この暗証番号は半角数字4桁です。", EN: "This PIN is four digits.",
		NextJA: retypeJA, NextEN: retypeEN,
	})
	authPINTries = rule(Rule{
		ID: "mynumber.pin.auth-tries", From: MyNumberFirstDay,
		Source: "muni:Nabari; opensc; law.md 6.2",
		JA:     "利用者証明用の暗証番号を3回続けて間違えるとロックされます。", EN: "Three wrong tries in a row block the authentication PIN.",
		NextJA: "お住まいの市区町村の窓口、またはコンビニのキオスク端末とアプリで初期化できます。",
		NextEN: "Have it reset at the counter of residence, or at a kiosk with the app while the other PIN is known.",
	})
	otherPINTries = rule(Rule{
		ID: "mynumber.pin.other-tries", From: MyNumberFirstDay,
		Source: "municipal pages; law.md 6.2",
		JA:     "住民基本台帳用と券面事項入力補助用の暗証番号は、3回続けて間違えるとロックされます。",
		EN:     "Three wrong tries in a row block the resident-record and the face-items PIN.",
		NextJA: "お住まいの市区町村の窓口で初期化してください。", NextEN: "Have it reset at the counter of residence.",
	})
	pinFullWidth = rule(Rule{
		ID:     "pin.full-width",
		Source: "law.md 6.2",
		JA:     "全角文字が含まれています。暗証番号は半角で入力してください。", EN: "Full-width characters were typed; a PIN is typed in half-width.",
		NextJA: "入力を半角英数に切り替えて、もう一度入力してください。", NextEN: "Switch the keyboard to half-width and type it again.",
	})
	noSuchPIN = rule(Rule{
		ID: "pin.unknown", Source: "law.md 6.1, 6.2",
		JA: "このカードにその暗証番号はありません。", EN: "The card has no such PIN.",
		NextJA: "暗証番号の種類をお確かめください。", NextEN: "Check which PIN is meant.",
	})
)

const (
	retypeJA = "入力し直してください。"
	retypeEN = "Type it again."
)
