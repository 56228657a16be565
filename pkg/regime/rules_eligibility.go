package regime

import "shomei/pkg/civil"

// Who may have a certificate.
var (
	jukiResident = rule(Rule{
		ID: "juki.eligibility.resident", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Act2013 Art 3; muni:Sammu; law.md 2.1",
		JA:     "この市区町村の住民基本台帳に記録されている方です。",
		EN:     "The applicant stands in this municipality's resident register.",
	})
	jukiNotRegistered = rule(Rule{
		ID: "juki.eligibility.not-registered", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Act2013 Art 3; muni:Sammu; law.md 2.1",
		JA:     "住民基本台帳に記録されていない方には発行できません。",
		EN:     "A person who stands in no resident register can't have a certificate.",
		NextJA: "先に住民登録の手続きをしてください。",
		NextEN: "Register as a resident first.",
	})
	jukiElsewhere = rule(Rule{
		ID: "juki.eligibility.other-municipality", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "Act2013 Art 3; muni:Sammu; law.md 2.1",
		JA:     "他の市区町村にお住まいの方の申請は、ここでは受け付けられません。",
		EN:     "The applicant lives in another municipality.",
		NextJA: "お住まいの市区町村の窓口へお越しください。",
		NextEN: "Apply at the counter of the municipality of residence.",
	})
	jukiUnder15 = rule(Rule{
		ID: "juki.eligibility.under-15", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 2.2",
		JA:     "15歳未満の方の申請は、特別な事情がある場合を除き受け付けられません。",
		EN:     "Applications of persons under 15 are not accepted save in special circumstances.",
		NextJA: "特別な事情がある場合は、その事情をお話しください。別の職員が判断します。",
		NextEN: "Tell us about any special circumstances; a second officer decides on them.",
	})
	jukiWard = rule(Rule{
		ID: "juki.eligibility.adult-ward", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; law.md 2.2",
		JA:     "成年被後見人の方の申請は、特別な事情がある場合を除き受け付けられません。",
		EN:     "Applications of adult wards are not accepted save in special circumstances.",
		NextJA: "特別な事情がある場合は、その事情をお話しください。別の職員が判断します。",
		NextEN: "Tell us about any special circumstances; a second officer decides on them.",
	})
	jukiNoRepresentative = rule(Rule{
		ID: "juki.eligibility.no-representative", From: JukiFirstDay, Until: JukiLastDay,
		Source: "Civil Code Arts 4, 8, 824, 859; law.md 2.3",
		JA:     "成年の方には、成年被後見人である場合を除き法定代理人がいないため、法定代理人としての申請は受け付けられません。",
		EN:     "A person of full age who is no adult ward has no legal representative.",
		NextJA: "本人が申請するか、委任状による代理の申請をお選びください。",
		NextEN: "Apply in person, or through an agent by mandate.",
	})
	jukiSpecial = rule(Rule{
		ID: "juki.eligibility.special-circumstances", From: JukiFirstDay, Until: JukiLastDay, Published: seedPublished,
		Source: "muni:Sammu; not settled: law.md 2.2, 14.1",
		JA:     "特別な事情があることを、受付とは別の職員が認めました。",
		EN:     "A second officer has granted special circumstances.",
	})
	jukiForeignNotYet = rule(Rule{
		ID: "juki.eligibility.foreign-not-yet", From: JukiFirstDay, Until: foreignDay.AddDays(-1),
		Source: "Reg2013 Art 4; municipal pages; law.md 2.4",
		JA:     "外国人住民の方の申請は、平成25年7月8日から受け付けます。",
		EN:     "Foreign residents may apply from 2013-07-08.",
		NextJA: "平成25年7月8日以降にお越しください。",
		NextEN: "Come on or after 2013-07-08.",
	})
	jukiForeign = rule(Rule{
		ID: "juki.eligibility.foreign-resident", From: foreignDay, Until: JukiLastDay,
		Source: "Reg2013 Art 4; municipal pages; law.md 2.4",
		JA:     "外国人住民の方も申請できます。住民票に通称が記録されていれば、通称が氏名として載ります。",
		EN:     "Foreign residents may apply; an alias on the resident record may stand as the name.",
	})
	secondOfficer = rule(Rule{
		ID:     "eligibility.second-officer",
		Source: "muni:Sammu; not settled: law.md 2.2, 14.1",
		JA:     "特別な事情は、受付した職員本人では認められません。",
		EN:     "Special circumstances can't be granted by the officer who took the application in.",
		NextJA: "別の職員の判断を受けてください。",
		NextEN: "Have a second officer decide.",
	})
	resident = rule(Rule{
		ID: "mynumber.eligibility.resident", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; law.md 2.1",
		JA:     "この市区町村の住民基本台帳に記録されている方です。",
		EN:     "The applicant stands in this municipality's resident register.",
	})
	notRegistered = rule(Rule{
		ID: "mynumber.eligibility.not-registered", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; law.md 2.1",
		JA:     "住民基本台帳に記録されていない方には発行できません。",
		EN:     "A person who stands in no resident register can't have a certificate.",
		NextJA: "先に住民登録の手続きをしてください。",
		NextEN: "Register as a resident first.",
	})
	elsewhere = rule(Rule{
		ID: "mynumber.eligibility.other-municipality", From: MyNumberFirstDay,
		Source: "Act2016 Arts 3, 22; law.md 2.1",
		JA:     "他の市区町村にお住まいの方の申請は、ここでは受け付けられません。",
		EN:     "The applicant's record is kept by another municipality.",
		NextJA: "お住まいの市区町村(国外転出者は本籍地の市区町村)の窓口へお越しください。",
		NextEN: "Apply where the record is kept; from overseas, where the family register is.",
	})
	under15 = rule(Rule{
		ID: "mynumber.eligibility.under-15-signature", From: MyNumberFirstDay,
		Source: "muni:Nabari, Hagi; law.md 2.2, 2.6",
		JA:     "15歳未満の方には、原則として署名用電子証明書を発行しません。",
		EN:     "A signature certificate is in principle not issued to a person under 15.",
		NextJA: "利用者証明用電子証明書は、法定代理人を通じて申請できます。",
		NextEN: "An authentication certificate can be applied for through the legal representative.",
	})
	ward = rule(Rule{
		ID: "mynumber.eligibility.adult-ward-signature", From: MyNumberFirstDay,
		Source: "muni:Nabari, Hagi; law.md 2.2, 2.3",
		JA:     "成年被後見人の方には、原則として署名用電子証明書を発行しません。",
		EN:     "A signature certificate is in principle not issued to an adult ward.",
		NextJA: "利用者証明用電子証明書は、法定代理人を通じて申請できます。",
		NextEN: "An authentication certificate can be applied for through the legal representative.",
	})
	noRepresentative = rule(Rule{
		ID: "mynumber.eligibility.no-representative", From: MyNumberFirstDay,
		Source: "Civil Code Arts 4, 8, 824, 859; law.md 2.3, 2.6",
		JA:     "成年の方には、成年被後見人である場合を除き法定代理人がいないため、法定代理人としての申請は受け付けられません。",
		EN:     "A person of full age who is no adult ward has no legal representative.",
		NextJA: "本人が申請するか、委任状による代理の申請をお選びください。",
		NextEN: "Apply in person, or through an agent by mandate.",
	})
	special = rule(Rule{
		ID: "mynumber.eligibility.special-circumstances", From: MyNumberFirstDay,
		Source: "not settled: law.md 2.2, 14.1",
		JA:     "特別な事情があることを、受付とは別の職員が認めました。",
		EN:     "A second officer has granted special circumstances.",
	})
	representativeNeeded = rule(Rule{
		ID: "mynumber.eligibility.representative-needed", From: MyNumberFirstDay,
		Source: "muni:Nabari, Hagi; law.md 2.2, 2.3",
		JA:     "15歳未満の方と成年被後見人の方の利用者証明用電子証明書は、法定代理人が申請し、暗証番号も法定代理人が設定します。",
		EN:     "For a person under 15 or an adult ward the legal representative applies for the authentication certificate and sets the PIN.",
		NextJA: "法定代理人の方と一緒にお越しください。",
		NextEN: "Come with the legal representative.",
	})
	byRepresentative = rule(Rule{
		ID: "mynumber.eligibility.by-representative", From: MyNumberFirstDay,
		Source: "muni:Nabari, Hagi; law.md 2.2, 2.3",
		JA:     "法定代理人が申請し、暗証番号を設定します。",
		EN:     "The legal representative applies and sets the PIN.",
	})
	foreignResident = rule(Rule{
		ID: "mynumber.eligibility.foreign-resident", From: MyNumberFirstDay,
		Source: "Reg2013 Arts 4, 16; law.md 2.4",
		JA:     "外国人住民の方も申請できます。住民票に通称が記録されていれば、通称が氏名として載ります。",
		EN:     "Foreign residents may apply; an alias on the resident record may stand as the name.",
	})
	stayOver = rule(Rule{
		ID: "mynumber.eligibility.stay-over", From: MyNumberFirstDay,
		Source: "CardReg2016 Art 27; law.md 3.4",
		JA:     "在留期間が満了しているため、発行できません。",
		EN:     "The period of stay is over.",
		NextJA: "在留期間の更新を住民票に反映してからお越しください。",
		NextEN: "Come again when the extended period of stay stands in the resident record.",
	})
	overseasNotYet = rule(Rule{
		ID: "mynumber.eligibility.overseas-not-yet", From: MyNumberFirstDay, Until: overseasDay.AddDays(-1),
		Source: "MyNoOrd2016 Art 14 item 1; law.md 2.5, 8.5",
		JA:     "国外に転出した方には発行できません。",
		EN:     "A person who has moved overseas can't have a certificate.",
		NextJA: "令和6年5月27日からは、本籍地の市区町村で申請できます。",
		NextEN: "From 2024-05-27 apply where the family register is kept.",
	})
	overseasWindow = rule(Rule{
		ID: "mynumber.eligibility.overseas", From: overseasDay,
		Source: "Act2024 Art 3の2; law.md 2.5",
		JA:     "国外に転出した方は、本籍地の市区町村(附票管理市町村長)で申請できます。",
		EN:     "A person who has moved overseas applies to the municipality that keeps the supplementary family register.",
	})
)

// foreignDay is the day from which foreign residents may apply (law.md 1.2).
var foreignDay = civil.New(2013, 7, 8)

// overseasDay is the day from which cards and certificates outlive a move overseas (law.md 1.2).
var overseasDay = civil.New(2024, 5, 27)
