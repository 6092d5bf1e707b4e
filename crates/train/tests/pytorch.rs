//! Losses and optimizers against PyTorch's own numbers, which `golden/make.py` has written.

use elman_kernels::{Context, Isa, Scalar};
use elman_train::Reduction;
use elman_train::adam::{Adam, Moments};
use elman_train::cross_entropy::CrossEntropy;
use elman_train::pointwise::{self, Squared};
use elman_train::sgd::Sgd;
use serde_json::Value;

/// The machine's best instruction set; that all give the same bits is tested beside the code.
fn context() -> Context {
    Context::new(Isa::detect(), 1)
}

fn golden(section: &str, of: &str, name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("golden/pytorch.json")).unwrap();
    let cases = all[section].as_array().unwrap().iter().filter(|case| case[of] == name);
    cases.cloned().collect()
}

fn numbers<T: Scalar>(value: &Value) -> Vec<T> {
    let numbers = value.as_array().unwrap().iter();
    numbers.map(|x| T::from_f64(x.as_f64().unwrap_or(f64::NAN))).collect()
}

fn close<T: Scalar>(actual: &[T], expected: &Value, tolerance: f64, of: &Value) {
    let expected: Vec<f64> = numbers(expected);
    assert_eq!(actual.len(), expected.len());
    for (actual, expected) in actual.iter().zip(expected) {
        let actual = actual.widen();
        let same = actual.is_nan() && expected.is_nan();
        let close = (actual - expected).abs() <= tolerance * (1.0 + expected.abs());
        assert!(same || close, "got {actual}, expected {expected} of {of}");
    }
}

fn reduction(case: &Value) -> Reduction {
    match case["reduction"].as_str().unwrap() {
        "none" => Reduction::None,
        "mean" => Reduction::Mean,
        _ => Reduction::Sum,
    }
}

/// Runs `single` or `double` for each case, by its element type.
fn each(cases: Vec<Value>, single: impl Fn(&Value), double: impl Fn(&Value)) {
    assert!(cases.len() > 10);
    for case in cases {
        if case["dtype"] == "float32" { single(&case) } else { double(&case) }
    }
}

fn cross_entropy<T: Scalar>(case: &Value, tolerance: f64) {
    let [logits, d_out] = ["input", "grad_out"].map(|name| numbers::<T>(&case[name]));
    let targets: Vec<i32> =
        case["target"].as_array().unwrap().iter().map(|t| t.as_i64().unwrap() as i32).collect();
    let shape = CrossEntropy {
        rows: targets.len(),
        classes: case["classes"].as_u64().unwrap() as usize,
        ignore_index: case["ignore_index"].as_i64().unwrap(),
        reduction: reduction(case),
    };
    let mut out = vec![T::infinity(); d_out.len()];
    let mut d_logits = vec![T::infinity(); logits.len()];
    shape.forward(&context(), &logits, &targets, &mut out).unwrap();
    shape.backward(&context(), &logits, &targets, &d_out, &mut d_logits).unwrap();
    close(&out, &case["out"], tolerance, case);
    close(&d_logits, &case["grad_input"], tolerance, case);
}

#[test]
fn cross_entropy_of_every_reduction() {
    let cases = golden("losses", "loss", "cross_entropy");
    each(cases, |case| cross_entropy::<f32>(case, 1e-6), |case| cross_entropy::<f64>(case, 1e-14));
}

fn mean_squared_error<T: Scalar>(case: &Value, tolerance: f64) {
    let [input, target, d_out] = ["input", "target", "grad_out"].map(|name| numbers::<T>(&case[name]));
    let mut out = vec![T::infinity(); d_out.len()];
    let [mut d_input, mut d_target] = [vec![T::infinity(); input.len()], vec![T::infinity(); input.len()]];
    let reduction = reduction(case);
    pointwise::forward(&context(), Squared, &input, &target, reduction, &mut out).unwrap();
    let gradients = (Some(&mut d_input[..]), Some(&mut d_target[..]));
    pointwise::backward(&context(), Squared, &input, &target, reduction, &d_out, gradients.0, gradients.1)
        .unwrap();
    close(&out, &case["out"], tolerance, case);
    close(&d_input, &case["grad_input"], tolerance, case);
    close(&d_target, &case["grad_target"], tolerance, case);
}

#[test]
fn mean_squared_error_of_every_reduction() {
    let cases = golden("losses", "loss", "mse");
    each(cases, |case| mean_squared_error::<f32>(case, 1e-6), |case| mean_squared_error::<f64>(case, 1e-14));
}

/// 25 steps; the case's parameters several times over, so that the loop's block and its
/// remainder are passed.
fn trajectory<T: Scalar>(
    case: &Value,
    tolerance: f64,
    optimizer: impl Fn(usize) -> Box<dyn FnMut(&mut [T], &[T], i32)>,
) {
    const COPIES: usize = 20;
    let [start, c] = ["start", "c"].map(|name| numbers::<T>(&case[name]));
    let mut param = start.repeat(COPIES);
    let mut step = optimizer(param.len());
    for t in 1..=25 {
        let half = T::from_f64(0.5);
        let grad: Vec<T> = param.iter().zip(c.iter().cycle()).map(|(&p, &c)| p * p * half - c).collect();
        step(&mut param, &grad, t);
        if let Some(expected) = case["after"].get(t.to_string()) {
            for copy in param.chunks(start.len()) {
                close(copy, expected, tolerance, &case["options"]);
            }
        }
    }
}

fn sgd<T: Scalar>(case: &Value, tolerance: f64) {
    let options = &case["options"];
    let number = |name: &str| options[name].as_f64().unwrap();
    let flag = |name: &str| options[name].as_bool().unwrap();
    let sgd = Sgd {
        lr: number("lr"),
        momentum: number("momentum"),
        dampening: number("dampening"),
        weight_decay: number("weight_decay"),
        nesterov: flag("nesterov"),
        maximize: flag("maximize"),
    };
    trajectory::<T>(case, tolerance, |len| {
        let mut buffer = (sgd.momentum != 0.0).then(|| vec![T::nan(); len]);
        Box::new(move |param, grad, t| {
            sgd.step(&context(), param, grad, buffer.as_deref_mut(), t == 1).unwrap()
        })
    });
}

#[test]
fn sgd_for_25_steps() {
    let cases = golden("optimizers", "optimizer", "SGD");
    each(cases, |case| sgd::<f32>(case, 1e-6), |case| sgd::<f64>(case, 1e-14));
}

fn adam<T: Scalar>(case: &Value, tolerance: f64) {
    let options = &case["options"];
    let number = |name: &str| options[name].as_f64().unwrap();
    let flag = |name: &str| options[name].as_bool().unwrap();
    let adam = Adam {
        lr: number("lr"),
        beta1: options["betas"][0].as_f64().unwrap(),
        beta2: options["betas"][1].as_f64().unwrap(),
        eps: number("eps"),
        weight_decay: number("weight_decay"),
        decoupled: false,
        maximize: flag("maximize"),
    };
    let amsgrad = flag("amsgrad");
    trajectory::<T>(case, tolerance, |len| {
        let [mut exp_avg, mut exp_avg_sq] = [vec![T::zero(); len], vec![T::zero(); len]];
        let mut maximum = amsgrad.then(|| vec![T::zero(); len]);
        Box::new(move |param, grad, t| {
            let moments = Moments {
                exp_avg: &mut exp_avg,
                exp_avg_sq: &mut exp_avg_sq,
                max_exp_avg_sq: maximum.as_deref_mut(),
            };
            adam.step(&context(), param, grad, moments, f64::from(t)).unwrap();
        })
    });
}

#[test]
fn adam_for_25_steps() {
    let cases = golden("optimizers", "optimizer", "Adam");
    each(cases, |case| adam::<f32>(case, 2e-6), |case| adam::<f64>(case, 1e-14));
}
