//! Who used the old system.

use crate::random::Random;

/// Somebody who signed in with the old system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Object id in Entra ID: a GUID in lower case, as Entra ID writes it.
    pub object_id: String,
    /// Display name.
    pub name: String,
    /// E-mail address.
    pub email: String,
}

const FIRST_TEN: [(&str, &str, &str); 10] = [
    ("6f0b1c52-8a3e-4d7f-b1c9-20e5d4a7f361", "Ada Lovelace", "ada"),
    ("0d94e7a3-51bc-4f28-9e06-c7b2a81f5d40", "Miles O'Brien", "miles.obrien"),
    ("b82d6f17-e409-4c5a-a37b-5f91c0de8246", "김지우", "jiwoo.kim"),
    ("3a7c90e8-2fd6-4b13-8c54-e9d1067ab3f2", "Zoë Müller", "zoe.mueller"),
    ("f15e2b84-97a0-4e6d-b8f3-4d2c7a90e51b", "Grace \"Amazing\" Hopper", "grace"),
    ("82c4d9f6-0b7e-4a35-9d18-a6e3f5217c0d", "CONTOSO\\svc.mail", "svc.mail"),
    ("d7609a3b-c5f2-4818-ae4d-01b97f6e2c85", "박서연 (Seoul) 🌸", "seoyeon.park"),
    ("49f8e1d0-6a2c-4973-8b5e-d3c07a1f94b6", "Иван Петров", "ivan.petrov"),
    ("a03b57ce-f481-4d9a-b260-8e7f1c5d39a4", "Nguyễn Thị Hà", "ha.nguyen"),
    ("5ce18d72-3b90-4fa6-97c1-b4a0e26f8d13", "Alan Turing; DROP TABLE", "alan"),
];

impl Person {
    /// So many people: the same ten first, then others, the same every time.
    #[must_use]
    pub fn crowd(size: usize) -> Vec<Self> {
        let ten = FIRST_TEN.map(|(object_id, name, email)| (object_id.to_owned(), name.to_owned(), email.to_owned()));
        let mut random = Random::new(10);
        let others = (11..).map(|n| (random.guid(), format!("Colleague No. {n}"), format!("colleague.{n}")));
        ten.into_iter()
            .chain(others)
            .take(size)
            .map(|(object_id, name, email)| Self { object_id, name, email: format!("{email}@contoso.example") })
            .collect()
    }
}
