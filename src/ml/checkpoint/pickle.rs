//! The part of Python's pickle format, protocols 2 to 5, that PyTorch writes state dicts in.
//!
//! Nothing is called and nothing is imported: classes and calls stay names. Objects lie in a list
//! and refer to one another by their places in it, so that what is read takes memory in proportion
//! to its bytes, however often it refers to itself and however deep it is. (candle's reader copies
//! what a pickle refers to, and takes lengths on trust.)

use std::collections::HashMap;

/// Why a pickle could not be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PickleError {
    #[error("it ends in the middle, at byte {at}")]
    Cut { at: usize },
    #[error(
        "byte {at} is operation {code:#04x}, which no state dict needs: titrate reads those that torch.save writes by default"
    )]
    Operation { code: u8, at: usize },
    #[error("the operation at byte {at} takes what is not there")]
    Malformed { at: usize },
}

/// The place of an object in its [`Pickle`].
pub type Place = usize;

/// A pickled value.
#[derive(Debug, PartialEq)]
pub enum Object {
    Int(i64),
    Text(String),
    Tuple(Vec<Place>),
    List(Vec<Place>),
    Dict(Vec<(Place, Place)>),
    /// `module.name` of a class or function.
    Global(String),
    Call {
        callable: Place,
        arguments: Place,
    },
    /// Something kept beside the pickle, by its identity.
    Persistent(Place),
    /// None, a boolean, a float or a large number: nothing that a tensor depends on.
    Other,
    True,
}

/// One pickle, read whole.
#[derive(Debug)]
pub struct Pickle {
    objects: Vec<Object>,
    root: Place,
}

impl Pickle {
    /// Reads the pickle that `bytes` begin with, and how many of them it takes.
    pub fn read(bytes: &[u8]) -> Result<(Self, usize), PickleError> {
        let mut machine = Machine {
            bytes,
            at: 0,
            objects: Vec::new(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: HashMap::new(),
        };
        while machine.step()? {}
        let root = machine.pop()?;
        Ok((Self { objects: machine.objects, root }, machine.at))
    }

    pub fn get(&self, place: Place) -> &Object {
        &self.objects[place]
    }

    pub fn root(&self) -> &Object {
        self.get(self.root)
    }

    pub fn objects(&self) -> &[Object] {
        &self.objects
    }

    pub fn text(&self, place: Place) -> Option<&str> {
        match self.get(place) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A number that is not negative.
    pub fn count(&self, place: Place) -> Option<usize> {
        match *self.get(place) {
            Object::Int(value) => value.try_into().ok(),
            _ => None,
        }
    }

    pub fn tuple(&self, place: Place) -> Option<&[Place]> {
        match self.get(place) {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The function's name and the arguments of a call.
    pub fn call(&self, place: Place) -> Option<(&str, &[Place])> {
        match *self.get(place) {
            Object::Call { callable, arguments } => match self.get(callable) {
                Object::Global(name) => Some((name, self.tuple(arguments)?)),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The stack machine that pickles are programs for.
struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    objects: Vec<Object>,
    stack: Vec<Place>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Place>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PickleError> {
        let taken =
            self.bytes[self.at..].get(..count).ok_or(PickleError::Cut { at: self.bytes.len() })?;
        self.at += count;
        Ok(taken)
    }

    fn number<const N: usize>(&mut self) -> Result<u64, PickleError> {
        let mut wide = [0; 8];
        wide[..N].copy_from_slice(self.take(N)?);
        Ok(u64::from_le_bytes(wide))
    }

    fn line(&mut self) -> Result<String, PickleError> {
        let end = self.bytes[self.at..]
            .iter()
            .position(|&byte| byte == b'\n')
            .ok_or(PickleError::Cut { at: self.bytes.len() })?;
        let line = self.take(end)?;
        self.at += 1;
        Ok(String::from_utf8_lossy(line).into_owned())
    }

    fn malformed<T>(&self) -> Result<T, PickleError> {
        Err(PickleError::Malformed { at: self.at - 1 })
    }

    fn push(&mut self, object: Object) {
        self.stack.push(self.objects.len());
        self.objects.push(object);
    }

    /// Takes the top of the stack, not below the last mark.
    fn pop(&mut self) -> Result<Place, PickleError> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(place) if self.stack.len() >= floor => Ok(place),
            _ => self.malformed(),
        }
    }

    fn since_mark(&mut self) -> Result<Vec<Place>, PickleError> {
        match self.marks.pop() {
            Some(height) if height <= self.stack.len() => Ok(self.stack.split_off(height)),
            _ => self.malformed(),
        }
    }

    fn last(&mut self) -> Result<&mut Object, PickleError> {
        match self.stack.last() {
            Some(&place) => Ok(&mut self.objects[place]),
            None => self.malformed(),
        }
    }

    fn tuple(&mut self, count: usize) -> Result<(), PickleError> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Object::Tuple(items));
        Ok(())
    }

    fn extend(&mut self, items: Vec<Place>) -> Result<(), PickleError> {
        match self.last()? {
            Object::List(list) => list.extend(items),
            Object::Dict(dict) if items.len().is_multiple_of(2) => {
                dict.extend(items.chunks_exact(2).map(|pair| (pair[0], pair[1])))
            }
            _ => return self.malformed(),
        }
        Ok(())
    }

    fn remember(&mut self, key: u64) -> Result<(), PickleError> {
        let Some(&place) = self.stack.last() else { return self.malformed() };
        self.memo.insert(key as u32, place);
        Ok(())
    }

    fn recall(&mut self, key: u64) -> Result<(), PickleError> {
        let Some(&place) = self.memo.get(&(key as u32)) else { return self.malformed() };
        self.stack.push(place);
        Ok(())
    }

    fn call(&mut self) -> Result<(), PickleError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let ordered = matches!(&self.objects[callable], Object::Global(name) if name == "collections.OrderedDict");
        self.push(if ordered {
            Object::Dict(Vec::new())
        } else {
            Object::Call { callable, arguments }
        });
        Ok(())
    }

    /// One operation; false at the end of the pickle.
    fn step(&mut self) -> Result<bool, PickleError> {
        let code = self.take(1)?[0];
        match code {
            // PROTO
            0x80 => drop(self.take(1)?),
            // GLOBAL
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Object::Global(format!("{module}.{name}")));
            }
            // BININT1, BININT2, BININT
            b'K' => self.int::<1>()?,
            b'M' => self.int::<2>()?,
            b'J' => {
                let value = self.number::<4>()? as u32;
                self.push(Object::Int(i64::from(value.cast_signed())));
            }
            // LONG1
            0x8a => self.long()?,
            // BINFLOAT
            b'G' => {
                self.take(8)?;
                self.push(Object::Other);
            }
            // BINUNICODE, SHORT_BINUNICODE, BINUNICODE8
            b'X' => self.text_of::<4>()?,
            0x8c => self.text_of::<1>()?,
            0x8d => self.text_of::<8>()?,
            // SHORT_BINBYTES, BINBYTES
            b'C' | b'B' => {
                let count = if code == b'C' { self.number::<1>()? } else { self.number::<4>()? };
                self.take(count as usize)?;
                self.push(Object::Other);
            }
            // NONE, NEWFALSE, NEWTRUE
            b'N' | 0x89 => self.push(Object::Other),
            0x88 => self.push(Object::True),
            b'(' => self.marks.push(self.stack.len()),
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b')' => self.push(Object::Tuple(Vec::new())),
            b']' => self.push(Object::List(Vec::new())),
            b'}' => self.push(Object::Dict(Vec::new())),
            // TUPLE, TUPLE1, TUPLE2, TUPLE3
            b't' => {
                let items = self.since_mark()?;
                self.push(Object::Tuple(items));
            }
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            // APPEND, SETITEM, APPENDS or SETITEMS
            b'a' | b's' => {
                let mut items = (0..if code == b's' { 2 } else { 1 })
                    .map(|_| self.pop())
                    .collect::<Result<Vec<_>, _>>()?;
                items.reverse();
                self.extend(items)?;
            }
            b'e' | b'u' => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            // FRAME: how long the next part is, which its operations say themselves.
            0x95 => drop(self.take(8)?),
            // STACK_GLOBAL
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (Object::Text(module), Object::Text(name)) =
                    (&self.objects[module], &self.objects[name])
                else {
                    return self.malformed();
                };
                let global = format!("{module}.{name}");
                self.push(Object::Global(global));
            }
            // MEMOIZE
            0x94 => self.remember(self.memo.len() as u64)?,
            // BINPUT, LONG_BINPUT, BINGET, LONG_BINGET
            b'q' | b'r' => {
                let key = if code == b'q' { self.number::<1>()? } else { self.number::<4>()? };
                self.remember(key)?;
            }
            b'h' | b'j' => {
                let key = if code == b'h' { self.number::<1>()? } else { self.number::<4>()? };
                self.recall(key)?;
            }
            // REDUCE or NEWOBJ, and BUILD, whose attributes no tensor depends on.
            b'R' | 0x81 => self.call()?,
            b'b' => drop(self.pop()?),
            // BINPERSID
            b'Q' => {
                let identity = self.pop()?;
                self.push(Object::Persistent(identity));
            }
            b'.' => return Ok(false),
            code => return Err(PickleError::Operation { code, at: self.at - 1 }),
        }
        Ok(true)
    }

    fn int<const N: usize>(&mut self) -> Result<(), PickleError> {
        let value = self.number::<N>()?;
        self.push(Object::Int(value as i64));
        Ok(())
    }

    /// A text after its length, a number of `N` bytes.
    fn text_of<const N: usize>(&mut self) -> Result<(), PickleError> {
        let count = usize::try_from(self.number::<N>()?).unwrap_or(usize::MAX);
        let text = std::str::from_utf8(self.take(count)?);
        let Ok(text) = text else { return self.malformed() };
        self.push(Object::Text(text.to_owned()));
        Ok(())
    }

    fn long(&mut self) -> Result<(), PickleError> {
        let count = usize::from(self.take(1)?[0]);
        let digits = self.take(count)?;
        if count > 8 {
            self.push(Object::Other);
            return Ok(());
        }
        let mut wide =
            if digits.last().is_some_and(|&byte| byte >= 0x80) { [0xff; 8] } else { [0; 8] };
        wide[..count].copy_from_slice(digits);
        self.push(Object::Int(i64::from_le_bytes(wide)));
        Ok(())
    }
}
