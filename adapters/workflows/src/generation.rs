//! Which generation of NodeTool has which names of node types.

use serde::Serialize;

/// Where a name of a node type is in use.
///
/// NodeTool's nodes were written in Python until January 2026, and are written in TypeScript since. The two share a part of their
/// names; a type of either is often known under another name in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Generation {
    /// NodeTool's Python nodes.
    Python,
    /// NodeTool's TypeScript nodes.
    TypeScript,
    /// Neither: the type is of whoever registered it.
    Own,
}

impl Generation {
    /// The generations of NodeTool that have a node type called `name`; none if that is not known.
    pub(crate) fn of(name: &str) -> Vec<Self> {
        let Some((namespace, last)) = name.rsplit_once('.') else { return Vec::new() };
        let has = |(known, _, names): &&Row| *known == namespace && names.contains(&last);
        NAMES.iter().find(has).map_or_else(Vec::new, |(_, generations, _)| generations.to_vec())
    }
}

impl std::fmt::Display for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Python => "Python",
            Self::TypeScript => "TypeScript",
            Self::Own => "own",
        })
    }
}

/// A namespace, the generations of names in it, and the names.
type Row = (&'static str, &'static [Generation], &'static [&'static str]);

const PYTHON: &[Generation] = &[Generation::Python];
const TYPESCRIPT: &[Generation] = &[Generation::TypeScript];
const BOTH: &[Generation] = &[Generation::Python, Generation::TypeScript];

/// The names whose generations are known (`tests/recordings/nodetool` has their origin).
#[rustfmt::skip]
const NAMES: &[Row] = &[
    ("lib.date", BOTH, &[
        "AddTimeDelta", "BoundaryTime", "DateDifference", "DateRange", "DateToDatetime", "DatetimeToDate", "FormatDateTime",
        "GetQuarter", "GetWeekday", "IsDateInRange", "ParseDate", "ParseDateTime",
    ]),
    ("lib.datetime", TYPESCRIPT, &["Add", "Diff", "Format", "StartEnd"]),
    ("lib.http", PYTHON, &["GetRequest", "JSONGetRequest", "JSONPostRequest", "PostRequest"]),
    ("lib.http", TYPESCRIPT, &["GetJSON", "GetText", "Post"]),
    ("lib.json", PYTHON, &[
        "GetJSONPathBool", "GetJSONPathDict", "GetJSONPathFloat", "GetJSONPathInt", "GetJSONPathList", "GetJSONPathStr",
        "ParseDict", "ParseList", "StringifyJSON",
    ]),
    ("lib.math", PYTHON, &[
        "Add", "Cosine", "Divide", "MathFunction", "Modulus", "Multiply", "Power", "Sine", "Sqrt", "Subtract",
    ]),
    ("lib.os", BOTH, &["FileExists", "ListFiles"]),
    ("lib.os", TYPESCRIPT, &["ReadTextFile", "WriteTextFile"]),
    ("lib.sqlite", BOTH, &["ExecuteSQL", "Query"]),
    ("nodetool.agents", BOTH, &["Agent", "Summarizer"]),
    ("nodetool.boolean", PYTHON, &["Compare", "ConditionalSwitch", "LogicalOperator", "Not"]),
    ("nodetool.code", BOTH, &["ExecuteCommand"]),
    ("nodetool.code", TYPESCRIPT, &["Code", "RunShellCommand"]),
    ("nodetool.constant", BOTH, &[
        "Bool", "Date", "DateTime", "Dict", "Float", "Integer", "List", "Select", "String",
    ]),
    ("nodetool.control", BOTH, &["Collect", "ForEach", "If", "Reroute"]),
    ("nodetool.control", TYPESCRIPT, &[
        "Chunk", "Collection", "Count", "Cross", "Distinct", "Drop", "Last", "Loop", "Switch", "Take", "TryCatch", "Zip",
    ]),
    ("nodetool.data", BOTH, &[
        "AddColumn", "Aggregate", "DropDuplicates", "Filter", "ImportCSV", "SelectColumn", "Slice", "SortByColumn",
    ]),
    ("nodetool.dictionary", PYTHON, &["Combine", "GetValue", "MakeDictionary", "ParseJSON", "ToJSON"]),
    ("nodetool.generators", BOTH, &["ListGenerator"]),
    ("nodetool.input", BOTH, &[
        "BooleanInput", "FilePathInput", "FloatInput", "FolderPathInput", "IntegerInput", "SelectInput", "StringInput",
        "StringListInput",
    ]),
    ("nodetool.list", PYTHON, &["GetElement", "Length", "ListRange", "Sort", "Sum"]),
    ("nodetool.list", TYPESCRIPT, &["Range"]),
    ("nodetool.output", BOTH, &["Output"]),
    ("nodetool.text", BOTH, &[
        "Collect", "Concat", "Contains", "ExtractJSON", "FormatText", "Join", "Length", "RegexMatch", "RegexReplace", "Replace",
        "Slice", "Split", "Template", "ToLowercase", "ToString", "ToUppercase", "TrimWhitespace",
    ]),
    ("nodetool.text", TYPESCRIPT, &["Prompt"]),
    ("nodetool.workflows.base_node", BOTH, &["Comment", "Group", "Preview"]),
    ("nodetool.workspace", PYTHON, &["ReadTextFile", "WriteTextFile"]),
];
