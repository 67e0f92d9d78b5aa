//! Patches that make an op which cannot be, and those that leave alone what came in odd.

use super::{MAIN, parse};
use std::sync::Arc;
use tfq_ir::catalog::{op_by_code, op_by_name, ops, options_by_name};
use tfq_ir::{
    Attr, Attributes, ElementType, InsertionPoint, Module, Op, OpId, OpKind, Patch, Quantization,
    Tensor, TensorId, TensorRef,
};

/// A module, with its main subgraph's tensors by name and its ops by number.
struct Case(Module);

impl Case {
    fn new(body: &str) -> Self {
        Self(parse(&format!("tfg 1 quant\nsubgraph @main {{\n{body}\n}}\n")))
    }

    fn tensor(&self, name: &str) -> TensorId {
        let graph = self.0.subgraph(MAIN);
        graph.tensors().find(|id| graph.tensor(*id).name.as_deref() == Some(name)).expect(name)
    }

    fn op(&self, n: usize) -> OpId {
        self.0.subgraph(MAIN).ops().nth(n).expect("an op")
    }

    fn try_apply(&mut self, build: impl FnOnce(&Self, &mut Patch)) -> Result<(), String> {
        let mut patch = Patch::new(MAIN, "test");
        build(self, &mut patch);
        self.0.apply(patch).map(|_| ()).map_err(|rejected| rejected.to_string())
    }

    fn apply(&mut self, build: impl FnOnce(&Self, &mut Patch)) {
        self.try_apply(build).expect("the patch is right");
    }

    /// What is said of a patch, which changes nothing.
    fn refuse(&mut self, build: impl FnOnce(&Self, &mut Patch)) -> String {
        let before = format!("{:?}", self.0);
        let message = self.try_apply(build).expect_err("the patch is wrong");
        assert_eq!(format!("{:?}", self.0), before);
        let message = message.strip_prefix("patch `test` refused: ").expect("its label");
        message.to_owned()
    }
}

fn op(name: &str) -> Op {
    let info = op_by_name(name).unwrap();
    let mut op = Op::new(OpKind::Builtin(info.code));
    op.attrs = info.options.map(Attributes::new);
    op
}

fn tensor(name: &str, ty: ElementType, shape: &[i32]) -> Tensor {
    Tensor::new(name, ty, shape)
}

const CONV: &str = "%x = input : f32[1,8,8,3]\n%w = const : f32[4,3,3,3]\n%b = const : f32[4]
    %c = CONV_2D(%x, %w, %b) {stride_h = 1, stride_w = 1} : f32[1,8,8,4]
    %y = RELU(%c) : f32[1,8,8,4]\noutput %y";

fn conv(strides: i64) -> Op {
    let mut op = op("CONV_2D");
    let attrs = op.attrs.as_mut().unwrap();
    attrs.set("stride_h", Attr::Int(strides)).unwrap();
    attrs.set("stride_w", Attr::Int(strides)).unwrap();
    op
}

/// Adds an op before the RELU, which reads its result.
fn insert(case: &Case, patch: &mut Patch, op: Op, operands: &[&str], result: Tensor) {
    let operands: Vec<Option<TensorRef>> =
        operands.iter().map(|name| Some(case.tensor(name).into())).collect();
    let new = patch.add_tensor(result);
    patch.add_op(op, InsertionPoint::Before(case.op(1)), &operands, &[new]);
    patch.set_operand(case.op(1), 0, new);
}

#[test]
fn a_convolution_of_one_operand() {
    let mut case = Case::new(CONV);
    let float = || tensor("new", ElementType::Float32, &[1, 8, 8, 4]);
    assert_eq!(
        case.refuse(|c, p| insert(
            c,
            p,
            conv(1),
            &["x"],
            tensor("new", ElementType::Int32, &[7, 7])
        )),
        "subgraph 0, CONV_2D `new`: it has 1 operand and takes 3; give it operands and attributes that it takes"
    );
    assert_eq!(
        case.refuse(|c, p| insert(c, p, op("ADD"), &["x", "x", "x"], float())),
        "subgraph 0, ADD `new`: it has 3 operands and takes 2; give it operands and attributes that it takes"
    );
    case.apply(|c, p| insert(c, p, conv(1), &["x", "w", "b"], float()));
}

#[test]
fn results_that_the_op_does_not_give() {
    let mut case = Case::new(CONV);
    let given = &["x", "w", "b"];
    assert_eq!(
        case.refuse(|c, p| insert(
            c,
            p,
            conv(1),
            given,
            tensor("new", ElementType::Int8, &[1, 8, 8, 4])
        )),
        "subgraph 0, CONV_2D `new`: result 0 (`new`) is INT8 and the op gives FLOAT32; declare the result so, or let another op compute it"
    );
    assert_eq!(
        case.refuse(|c, p| insert(
            c,
            p,
            conv(2),
            given,
            tensor("new", ElementType::Float32, &[1, 8, 8, 4])
        )),
        "subgraph 0, CONV_2D `new`: result 0 (`new`) has shape [1,8,8,4] and the op gives [1,4,4,4]; declare the result so, or let another op compute it"
    );
    // The op that reads the result is held to it as well.
    assert_eq!(
        case.refuse(|c, p| insert(
            c,
            p,
            conv(2),
            given,
            tensor("new", ElementType::Float32, &[1, 4, 4, 4])
        )),
        "subgraph 0, RELU `y`: result 0 (`y`) has shape [1,8,8,4] and the op gives [1,4,4,4]; declare the result so, or let another op compute it"
    );
    assert_eq!(
        case.refuse(|c, p| p.set_attr(c.op(0), "stride_w", Attr::Int(0))),
        "subgraph 0, CONV_2D `c`: attribute stride_w is 0: must be at least 1; give it operands and attributes that it takes"
    );
    assert_eq!(
        case.refuse(|c, p| p.set_attr(c.op(0), "fused_activation_function", Attr::Int(4))),
        "subgraph 0, CONV_2D `c`: it cannot apply the activation TANH, only RELU, RELU_N1_TO_1, RELU6; leave the activation to an op of its own"
    );
    // Both change together.
    case.apply(|c, p| {
        p.set_attr(c.op(0), "fused_activation_function", Attr::Int(1));
        p.set_attr(c.op(0), "stride_w", Attr::Int(1));
    });
}

#[test]
fn types_of_tensors_that_are_there() {
    let mut case = Case::new(CONV);
    assert_eq!(
        case.refuse(|c, p| p.set_type(c.tensor("y"), ElementType::Int64)),
        "`y`, which subgraph 0 returns, would be INT64 and was FLOAT32: callers depend on it; return another tensor behind an op that converts"
    );
    // One that is in between, and one that ops only read.
    assert_eq!(
        case.refuse(|c, p| p.set_type(c.tensor("c"), ElementType::Int8)),
        "subgraph 0, CONV_2D `c`: result 0 (`c`) is INT8 and the op gives FLOAT32; declare the result so, or let another op compute it"
    );
    assert_eq!(
        case.refuse(|c, p| p.set_type(c.tensor("x"), ElementType::UInt8)),
        "subgraph 0, CONV_2D `c`: result 0 (`c`) is FLOAT32 and the op gives UINT8; declare the result so, or let another op compute it"
    );
}

#[test]
fn options_of_another_op() {
    let mut case = Case::new(CONV);
    let mut softmax = op("SOFTMAX");
    softmax.attrs = options_by_name("Pool2DOptions").map(Attributes::new);
    let result = || tensor("new", ElementType::Float32, &[1, 8, 8, 4]);
    assert_eq!(
        case.refuse(|c, p| insert(c, p, softmax, &["c"], result())),
        "subgraph 0, SOFTMAX `new`: it has Pool2DOptions, and takes SoftmaxOptions; make the attributes with the options of its own operator"
    );
    case.apply(|c, p| insert(c, p, op("SOFTMAX"), &["c"], result()));
}

/// A RESHAPE whose result is declared otherwise than it is, and an ADD of shapes that do not meet.
const ODD: &str =
    "%x = input : f32[1,12,8]\n%z = input : f32[1,12,8]\n%s = input : f32[5]\n%t = input : f32[5]
    %flat = RESHAPE(%x) {new_shape = [1, -1]} : f32[1,100]
    %sum = ADD(%x, %s) : f32[1,12,8]
    %y = RELU(%flat) : f32[1,100]\noutput %y\noutput %sum";

#[test]
fn what_came_in_odd_is_nobodys_fault() {
    let mut case = Case::new(ODD);
    let odd = case.0.contradictions().count();
    assert_eq!(odd, 2);
    // Ops beside them, and other operands of the same kind.
    case.apply(|c, p| {
        let new = p.add_tensor(tensor("new", ElementType::Float32, &[1, 100]));
        p.add_op(
            op("NEG"),
            InsertionPoint::Before(c.op(2)),
            &[Some(c.tensor("flat").into())],
            &[new],
        );
        p.set_operand(c.op(2), 0, new);
        p.set_operand(c.op(0), 0, c.tensor("z"));
        p.set_operand(c.op(1), 1, c.tensor("t"));
    });
    assert_eq!(case.0.contradictions().count(), odd);
    // One that stands for an odd one.
    case.apply(|c, p| {
        let mut reshape = op("RESHAPE");
        let shape = Attr::Ints(Arc::new([-1, 96]));
        reshape.attrs.as_mut().unwrap().set("new_shape", shape).unwrap();
        let flat = TensorRef::from(c.tensor("flat"));
        p.add_op(reshape, InsertionPoint::Before(c.op(0)), &[Some(c.tensor("x").into())], &[flat]);
        p.erase_op(c.op(0));
    });
    assert_eq!(case.0.contradictions().count(), odd);
}

#[test]
fn what_came_in_odd_does_not_excuse_something_else() {
    let mut case = Case::new(ODD);
    assert_eq!(
        case.refuse(|c, p| p.set_attr(c.op(0), "new_shape", Attr::Ints(Arc::new([-1, 100])))),
        "subgraph 0, RESHAPE `flat`: a tensor of shape [1,12,8] cannot have the shape [?,100]; give it operands and attributes that it takes"
    );
    assert_eq!(
        case.refuse(|c, p| p.set_attr(c.op(1), "fused_activation_function", Attr::Int(4))),
        "subgraph 0, ADD `sum`: it cannot apply the activation TANH, only RELU, RELU_N1_TO_1, RELU6; leave the activation to an op of its own"
    );
    let mut without_bias = Case::new(&CONV.replace("%b)", "_)"));
    assert_eq!(without_bias.0.contradictions().count(), 1);
    assert_eq!(
        without_bias.refuse(|c, p| p.clear_operand(c.op(0), 1)),
        "subgraph 0, CONV_2D `c`: operand 1 (`filter`) is left out; give it operands and attributes that it takes"
    );
}

/// The steering operand is computed, so that nobody knows that the results are declared wrong.
#[test]
fn knowing_more_blames_nobody() {
    let mut case = Case::new(
        "%x = input : f32[1,12,8]\n%n = const : i32[2] = [-1, -96]\n%m = const : i32[2] = [1, 96]
        %d = input : f32[?,4]\n%e = input : f32[3,4]\n%k = input : f32[2,4]
        %s = NEG(%n) : i32[2]
        %flat = RESHAPE(%x, %s) : f32[1,100]
        %sum = ADD(%d, %e) : f32[?,4]
        output %flat\noutput %sum",
    );
    assert_eq!(case.0.contradictions().count(), 0);
    let buffer = case.0.subgraph(MAIN).tensor(case.tensor("m")).buffer;
    case.apply(|c, p| {
        p.set_buffer(c.tensor("s"), buffer);
        p.erase_op(c.op(0));
    });
    assert_eq!(case.0.contradictions().count(), 1);
    // [2,4] may be what `d` turns out to be, and does not meet [3,4].
    case.apply(|c, p| p.set_operand(c.op(1), 0, c.tensor("k")));
    assert_eq!(case.0.contradictions().count(), 2);
}

#[test]
fn a_steering_constant_that_changes_is_seen() {
    let mut case = Case::new(
        "%x = input : f32[1,12,8]\n%a = const : i32[2] = [1, 96]\n%b = const : i32[2] = [2, 48]
        %flat = RESHAPE(%x, %a) : f32[1,96]\noutput %flat",
    );
    assert_eq!(
        case.refuse(|c, p| p.set_operand(c.op(0), 1, c.tensor("b"))),
        "subgraph 0, RESHAPE `flat`: result 0 (`flat`) has shape [1,96] and the op gives [2,48]; declare the result so, or let another op compute it"
    );
    let buffer = case.0.subgraph(MAIN).tensor(case.tensor("b")).buffer;
    case.refuse(|c, p| p.set_buffer(c.tensor("a"), buffer));
}

/// Quantised storage is no change of type to readers until it is settled; then kernels read it.
#[test]
fn weights_are_quantised_in_two_steps() {
    let model = "%x = input : f32[1,4]\n%w = const : f32[2,4]\n%i = const : i8[2,4]
        %y = FULLY_CONNECTED(%x, %w, _) : f32[1,2]\noutput %y";
    let returned = format!("{model}\noutput %w");
    let settle = |c: &Case, p: &mut Patch| p.set_expressed(c.tensor("w"), None);
    for model in [model, &returned] {
        let mut case = Case::new(model);
        let buffer = case.0.subgraph(MAIN).tensor(case.tensor("i")).buffer;
        let scales =
            Quantization { scale: vec![0.5], zero_point: vec![0].into(), ..Default::default() };
        case.apply(|c, p| {
            let w = c.tensor("w");
            p.set_type(w, ElementType::Int8);
            p.set_buffer(w, buffer);
            p.set_quantization(w, Some(Arc::new(scales)));
            p.set_expressed(w, Some(ElementType::Float32));
        });
        if model == returned {
            assert_eq!(
                case.refuse(settle),
                "`w`, which subgraph 0 returns, would be INT8 and was FLOAT32: callers depend on it; return another tensor behind an op that converts"
            );
        } else {
            case.apply(settle);
            assert_eq!(case.0.contradictions().count(), 0);
        }
    }
}

/// Structure is checked first: handles and order make sense before an op does.
#[test]
fn ops_of_which_nothing_is_known_are_let_pass() {
    let mut case = Case::new("%x = input : f32[2]\n%y = NEG(%x) : f32[2]\noutput %y");
    assert!(op_by_code(ops::DELEGATE).is_some());
    case.apply(|c, p| {
        let new = p.add_tensor(tensor("new", ElementType::String, &[9]));
        let mine = Op::new(OpKind::Custom("Mine".into()));
        p.add_op(mine, InsertionPoint::End, &[Some(c.tensor("x").into()), None], &[new]);
    });
}
