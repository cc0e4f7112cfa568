from typing import Annotated, Optional
from pydantic import BaseModel, Field
class User(BaseModel):
    name: str
    age: int = 3
def go(user: User, users: "list[User]" = [], n: Annotated[int, Field(gt=3)] = 5): return [user, users, n]
